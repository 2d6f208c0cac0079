{{- define "imagegate.selector" -}}
app.kubernetes.io/name: imagegate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "imagegate.labels" -}}
{{ include "imagegate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{/* Of the scan: not those of the replicas, which Service and PodDisruptionBudget select. */}}
{{- define "imagegate.scan.labels" -}}
app.kubernetes.io/name: imagegate-scan
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "imagegate.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "imagegate.certificates" -}}
{{ .Values.certificates.source | default (eq .Values.platform "openshift" | ternary "service-ca" "self") }}
{{- end }}

{{/* Where image streams are kept. */}}
{{- define "imagegate.store" -}}
{{ .Values.store.kind | default (and .Values.imageApi.enabled (not .Values.imageApi.claim) | ternary "kubernetes" "embedded") }}
{{- end }}

{{/* Whether Events are written: "true", or nothing. */}}
{{- define "imagegate.events" -}}
{{- $chosen := dig "cluster" "events" "" .Values.settings -}}
{{- if kindIs "bool" $chosen -}}
{{ if $chosen }}true{{ end }}
{{- else if and .Values.events.enabled (ne (.Values.settings.profile | default "") "openshift-4") -}}
true
{{- end -}}
{{- end }}

{{/* What the chosen source of certificates must find on an object with a caBundle. */}}
{{- define "imagegate.caAnnotations" -}}
{{- $source := include "imagegate.certificates" . -}}
{{- if eq $source "service-ca" }}
service.beta.openshift.io/inject-cabundle: "true"
{{- else if eq $source "cert-manager" }}
cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/imagegate-serving-cert
{{- end }}
{{- end }}

{{/* clientConfig of a webhook: (list . "/path") */}}
{{- define "imagegate.clientConfig" -}}
{{- $root := index . 0 }}
{{- with $root.Values.webhooks.caBundle }}
caBundle: {{ . }}
{{- end }}
service:
  name: imagegate
  namespace: {{ $root.Release.Namespace }}
  path: {{ index . 1 }}
  port: 443
{{- end }}

{{/* What every webhook that judges images has in common. */}}
{{- define "imagegate.judging" -}}
failurePolicy: {{ .Values.webhooks.failurePolicy }}
{{ include "imagegate.asking" . }}
{{- end }}

{{/* Events are side effects, which reviews of a dry run do not have. */}}
{{- define "imagegate.sideEffects" -}}
sideEffects: {{ if include "imagegate.events" . }}NoneOnDryRun{{ else }}None{{ end }}
{{- end }}

{{- define "imagegate.asking" -}}
matchPolicy: Equivalent
{{ include "imagegate.sideEffects" . }}
timeoutSeconds: {{ .Values.webhooks.timeoutSeconds }}
admissionReviewVersions: [v1]
namespaceSelector:
  matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: {{ append .Values.webhooks.exemptNamespaces .Release.Namespace | sortAlpha | uniq | toJson }}
  - key: imagegate.dev/bootstrap
    operator: DoesNotExist
matchConditions:
# An update that leaves these fields alone changes no image, and nothing that decides about one.
- name: changes-what-decides
  expression: >-
    request.operation != 'UPDATE' || !has(object.spec) || !has(oldObject.spec) || object.spec != oldObject.spec ||
    object.metadata.?annotations != oldObject.metadata.?annotations ||
    object.metadata.?labels != oldObject.metadata.?labels ||
    object.metadata.?ownerReferences != oldObject.metadata.?ownerReferences
{{- end }}

{{/* Rules for pods and what makes them: (list "pods" "replicationcontrollers"), the resources of the core group. */}}
{{- define "imagegate.workloadRules" -}}
- apiGroups: [""]
  apiVersions: ["*"]
  operations: [CREATE, UPDATE]
  resources: [{{ join ", " . }}]
- apiGroups: [apps]
  apiVersions: ["*"]
  operations: [CREATE, UPDATE]
  resources: [daemonsets, deployments, replicasets, statefulsets]
- apiGroups: [batch]
  apiVersions: ["*"]
  operations: [CREATE, UPDATE]
  resources: [cronjobs, jobs]
{{- end }}

{{- define "imagegate.profile" -}}
{{- if index .Values "image-security-enforcement" "clusterImagePolicy" }}cloudpak{{ else }}{{ .Values.enforcement.profile }}{{ end -}}
{{- end }}

{{/*
cise looks at Pods alone, as its documents say; the others at everything that makes them. These endpoints refuse kinds
that they do not know, as the originals do: PodTemplates are none of them.
*/}}
{{- define "imagegate.enforcementRules" -}}
{{- if eq (include "imagegate.profile" .) "cise" }}
- apiGroups: [""]
  apiVersions: ["*"]
  operations: [CREATE, UPDATE]
  resources: [pods, pods/ephemeralcontainers]
{{- else }}
{{- include "imagegate.workloadRules" (list "pods" "pods/ephemeralcontainers" "replicationcontrollers") }}
{{- end }}
{{- end }}

{{- define "imagegate.imagePolicyRules" -}}
{{- include "imagegate.workloadRules" (list "pods" "pods/ephemeralcontainers" "podtemplates" "replicationcontrollers") }}
{{- if eq .Values.platform "openshift" }}
- apiGroups: [apps.openshift.io]
  apiVersions: ["*"]
  operations: [CREATE, UPDATE]
  resources: [deploymentconfigs]
- apiGroups: [build.openshift.io]
  apiVersions: ["*"]
  operations: [CREATE, UPDATE]
  resources: [buildconfigs, builds]
{{- end }}
{{- end }}
