// openshift/client-go's typed client and Kubernetes' own, both in protobuf: what they create, read, change, import and
// delete. It prints one line of JSON with what they saw, and ends with an error at the first refusal.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	openshiftapps "github.com/openshift/api/apps/v1"
	build "github.com/openshift/api/build/v1"
	image "github.com/openshift/api/image/v1"
	template "github.com/openshift/api/template/v1"
	appsclient "github.com/openshift/client-go/apps/clientset/versioned/typed/apps/v1"
	buildclient "github.com/openshift/client-go/build/clientset/versioned/typed/build/v1"
	imageclient "github.com/openshift/client-go/image/clientset/versioned/typed/image/v1"
	templateclient "github.com/openshift/client-go/template/clientset/versioned/typed/template/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const protobuf = "application/vnd.kubernetes.protobuf"

type answers struct {
	http.RoundTripper
	types map[string]int
}

func (a *answers) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := a.RoundTripper.RoundTrip(request)
	if err == nil {
		a.types[request.Method+" "+request.Header.Get("Content-Type")+" "+response.Header.Get("Content-Type")]++
	}
	return response, err
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func done(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// others creates, changes, lists and deletes a DeploymentConfig, a BuildConfig, a Build and a Template, and returns them
// as they were at last.
func others(ctx context.Context, config *rest.Config, namespace string) map[string]any {
	seen := map[string]any{}
	pods := &core.PodTemplateSpec{ObjectMeta: meta.ObjectMeta{Labels: map[string]string{"app": "typed"}}, Spec: core.PodSpec{
		Containers: []core.Container{{Name: "c", Image: "docker.io/library/busybox:1"}},
	}}
	configs := must(appsclient.NewForConfig(config)).DeploymentConfigs(namespace)
	deployed := must(configs.Create(ctx, &openshiftapps.DeploymentConfig{
		ObjectMeta: meta.ObjectMeta{Name: "typed"},
		Spec: openshiftapps.DeploymentConfigSpec{
			Replicas: 1, Template: pods, Selector: map[string]string{"app": "typed"},
			Triggers: openshiftapps.DeploymentTriggerPolicies{{Type: openshiftapps.DeploymentTriggerOnConfigChange}},
		},
	}, meta.CreateOptions{}))
	deployed.Spec.Triggers = append(deployed.Spec.Triggers, openshiftapps.DeploymentTriggerPolicy{
		Type: openshiftapps.DeploymentTriggerOnImageChange,
		ImageChangeParams: &openshiftapps.DeploymentTriggerImageChangeParams{
			ContainerNames: []string{"c"}, From: core.ObjectReference{Kind: "ImageStreamTag", Name: "typed:v1"},
		},
	})
	must(configs.Update(ctx, deployed, meta.UpdateOptions{}))
	seen["deploymentConfig"] = must(configs.List(ctx, meta.ListOptions{})).Items[0].Spec

	builder := must(buildclient.NewForConfig(config))
	spec := build.CommonSpec{
		Source:       build.BuildSource{Git: &build.GitBuildSource{URI: "https://git.example.com/a.git"}},
		NodeSelector: build.OptionalNodeSelector{},
		Strategy: build.BuildStrategy{DockerStrategy: &build.DockerBuildStrategy{
			From: &core.ObjectReference{Kind: "DockerImage", Name: "docker.io/library/busybox:1"},
		}},
	}
	changed := must(builder.BuildConfigs(namespace).Create(ctx, &build.BuildConfig{
		ObjectMeta: meta.ObjectMeta{Name: "typed"}, Spec: build.BuildConfigSpec{CommonSpec: spec, RunPolicy: build.BuildRunPolicySerial},
	}, meta.CreateOptions{}))
	changed.Spec.NodeSelector = build.OptionalNodeSelector{"zone": "a"}
	must(builder.BuildConfigs(namespace).Update(ctx, changed, meta.UpdateOptions{}))
	seen["buildConfig"] = must(builder.BuildConfigs(namespace).Get(ctx, "typed", meta.GetOptions{})).Spec
	started := must(builder.BuildConfigs(namespace).Instantiate(ctx, "typed", &build.BuildRequest{
		ObjectMeta: meta.ObjectMeta{Name: "typed"}, Env: []core.EnvVar{{Name: "A", Value: "b"}},
	}, meta.CreateOptions{}))
	seen["started"] = map[string]any{"name": started.Name, "env": started.Spec.Strategy.DockerStrategy.Env}
	done(builder.Builds(namespace).Delete(ctx, started.Name, meta.DeleteOptions{}))
	must(builder.Builds(namespace).Create(ctx, &build.Build{
		ObjectMeta: meta.ObjectMeta{Name: "typed-1"}, Spec: build.BuildSpec{CommonSpec: spec},
		Status: build.BuildStatus{Phase: build.BuildPhaseNew, Duration: time.Second},
	}, meta.CreateOptions{}))
	seen["build"] = must(builder.Builds(namespace).List(ctx, meta.ListOptions{})).Items[0].Status

	templates := must(templateclient.NewForConfig(config)).Templates(namespace)
	held := runtime.RawExtension{Raw: []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${NAME}"}}`)}
	made := must(templates.Create(ctx, &template.Template{
		ObjectMeta: meta.ObjectMeta{Name: "typed"}, Objects: []runtime.RawExtension{held},
		Parameters: []template.Parameter{{Name: "NAME", Value: "a"}},
	}, meta.CreateOptions{}))
	made.Message = "made"
	must(templates.Update(ctx, made, meta.UpdateOptions{}))
	found := must(templates.Get(ctx, "typed", meta.GetOptions{}))
	seen["template"] = map[string]any{"message": found.Message, "objects": found.Objects, "parameters": found.Parameters}

	done(configs.Delete(ctx, "typed", meta.DeleteOptions{}))
	done(builder.BuildConfigs(namespace).Delete(ctx, "typed", meta.DeleteOptions{}))
	done(builder.Builds(namespace).Delete(ctx, "typed-1", meta.DeleteOptions{}))
	done(templates.Delete(ctx, "typed", meta.DeleteOptions{}))
	return seen
}

func main() {
	server := flag.String("server", "", "URL of the API")
	namespace := flag.String("namespace", "default", "namespace")
	source := flag.String("source", "", "image that is imported")
	flag.Parse()

	asked := &answers{types: map[string]int{}}
	config := &rest.Config{Host: *server, ContentConfig: rest.ContentConfig{ContentType: protobuf, AcceptContentTypes: protobuf}}
	config.WrapTransport = func(next http.RoundTripper) http.RoundTripper {
		asked.RoundTripper = next
		return asked
	}
	images := must(imageclient.NewForConfig(config))
	cluster := must(kubernetes.NewForConfig(config))
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	seen := map[string]any{}

	streams := images.ImageStreams(*namespace)
	watch := must(streams.Watch(ctx, meta.ListOptions{}))
	created := must(streams.Create(ctx, &image.ImageStream{
		ObjectMeta: meta.ObjectMeta{Name: "typed", Labels: map[string]string{"app": "typed"}},
		Spec: image.ImageStreamSpec{
			LookupPolicy: image.ImageLookupPolicy{Local: true},
			Tags: []image.TagReference{{
				Name: "v1", Reference: true, Annotations: map[string]string{"a": "b"},
				From:         &core.ObjectReference{Kind: "DockerImage", Name: "docker.io/library/busybox:1"},
				ImportPolicy: image.TagImportPolicy{Scheduled: true},
			}},
		},
	}, meta.CreateOptions{}))
	seen["created"] = created
	got := must(streams.Get(ctx, "typed", meta.GetOptions{}))
	got.Spec.Tags = append(got.Spec.Tags, image.TagReference{
		Name: "v2", Reference: true, From: &core.ObjectReference{Kind: "DockerImage", Name: "docker.io/library/busybox:2"},
	})
	seen["updated"] = must(streams.Update(ctx, got, meta.UpdateOptions{}))
	_, err := streams.Update(ctx, created, meta.UpdateOptions{})
	seen["conflict"] = errors.IsConflict(err)
	patch := []byte(`{"spec":{"tags":[{"name":"v1","$patch":"delete"}]}}`)
	seen["patched"] = must(streams.Patch(ctx, "typed", types.StrategicMergePatchType, patch, meta.PatchOptions{}))
	seen["listed"] = len(must(streams.List(ctx, meta.ListOptions{LabelSelector: "app=typed"})).Items)
	events := []string{}
	for event := range watch.ResultChan() {
		stream := event.Object.(*image.ImageStream)
		if stream.Name == "typed" {
			events = append(events, fmt.Sprintf("%s %d", event.Type, len(stream.Spec.Tags)))
		}
		if len(events) == 3 {
			watch.Stop()
			break
		}
	}
	seen["events"] = events

	seen["import"] = must(images.ImageStreamImports(*namespace).Create(ctx, &image.ImageStreamImport{
		ObjectMeta: meta.ObjectMeta{Name: "imported"},
		Spec: image.ImageStreamImportSpec{Import: true, Images: []image.ImageImportSpec{{
			From: core.ObjectReference{Kind: "DockerImage", Name: *source}, To: &core.LocalObjectReference{Name: "latest"},
		}}},
	}, meta.CreateOptions{}))
	seen["tag"] = must(images.ImageStreamTags(*namespace).Get(ctx, "imported:latest", meta.GetOptions{}))
	seen["images"] = len(must(images.Images().List(ctx, meta.ListOptions{})).Items)

	wrong := types.UID("another")
	err = streams.Delete(ctx, "typed", meta.DeleteOptions{Preconditions: &meta.Preconditions{UID: &wrong}})
	seen["precondition"] = errors.IsConflict(err)
	background := meta.DeletePropagationBackground
	done(streams.Delete(ctx, "typed", meta.DeleteOptions{PropagationPolicy: &background}))
	_, err = streams.Get(ctx, "typed", meta.GetOptions{})
	seen["gone"] = errors.IsNotFound(err)
	done(images.ImageStreamTags(*namespace).Delete(ctx, "imported:latest", meta.DeleteOptions{}))

	secret := &core.Secret{ObjectMeta: meta.ObjectMeta{Name: "typed"}, Data: map[string][]byte{"key": {0, 255}}}
	must(cluster.CoreV1().Secrets(*namespace).Create(ctx, secret, meta.CreateOptions{}))
	seen["secret"] = must(cluster.CoreV1().Secrets(*namespace).Get(ctx, "typed", meta.GetOptions{})).Data["key"]
	pod := &core.Pod{ObjectMeta: meta.ObjectMeta{Name: "typed"}, Spec: core.PodSpec{
		Containers: []core.Container{{Name: "c", Image: "docker.io/library/busybox:1"}},
		Volumes:    []core.Volume{{Name: "v", VolumeSource: core.VolumeSource{EmptyDir: &core.EmptyDirVolumeSource{}}}},
	}}
	must(cluster.CoreV1().Pods(*namespace).Create(ctx, pod, meta.CreateOptions{}))
	seen["pods"] = must(cluster.CoreV1().Pods(*namespace).List(ctx, meta.ListOptions{})).Items
	now := int64(0)
	done(cluster.CoreV1().Pods(*namespace).Delete(ctx, "typed", meta.DeleteOptions{GracePeriodSeconds: &now}))

	seen["others"] = others(ctx, config, *namespace)

	seen["types"] = asked.types
	json.NewEncoder(os.Stdout).Encode(seen)
}
