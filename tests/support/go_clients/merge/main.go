// Kubernetes' own strategic merge patch. The first line of output has the strategies of all kinds, by kind and path. After
// that, each line of input is {"kind", "original", "patch"}, each line of output {"result"} or {"error"}.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"
	"reflect"
	"strings"

	openshiftapps "github.com/openshift/api/apps/v1"
	build "github.com/openshift/api/build/v1"
	image "github.com/openshift/api/image/v1"
	project "github.com/openshift/api/project/v1"
	template "github.com/openshift/api/template/v1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

var kinds = map[string]any{
	"apps.openshift.io/v1 DeploymentConfig": openshiftapps.DeploymentConfig{},
	"apps/v1 DaemonSet":                     apps.DaemonSet{},
	"apps/v1 Deployment":                    apps.Deployment{},
	"apps/v1 ReplicaSet":                    apps.ReplicaSet{},
	"apps/v1 StatefulSet":                   apps.StatefulSet{},
	"batch/v1 CronJob":                      batch.CronJob{},
	"batch/v1 Job":                          batch.Job{},
	"build.openshift.io/v1 Build":           build.Build{},
	"build.openshift.io/v1 BuildConfig":     build.BuildConfig{},
	"image.openshift.io/v1 Image":           image.Image{},
	"image.openshift.io/v1 ImageSignature":  image.ImageSignature{},
	"image.openshift.io/v1 ImageStream":     image.ImageStream{},
	"image.openshift.io/v1 ImageStreamTag":  image.ImageStreamTag{},
	"image.openshift.io/v1 ImageTag":        image.ImageTag{},
	"project.openshift.io/v1 Project":       project.Project{},
	"template.openshift.io/v1 Template":     template.Template{},
	"v1 ConfigMap":                          core.ConfigMap{},
	"v1 Event":                              core.Event{},
	"v1 LimitRange":                         core.LimitRange{},
	"v1 Namespace":                          core.Namespace{},
	"v1 Pod":                                core.Pod{},
	"v1 PodTemplate":                        core.PodTemplate{},
	"v1 ReplicationController":              core.ReplicationController{},
	"v1 ResourceQuota":                      core.ResourceQuota{},
	"v1 Secret":                             core.Secret{},
	"v1 Service":                            core.Service{},
	"v1 ServiceAccount":                     core.ServiceAccount{},
}

// addStrategies finds the fields below a type that have a strategy, as their Go types have them.
func addStrategies(found map[string]string, type_ reflect.Type, path string, outer []reflect.Type) {
	for type_.Kind() == reflect.Pointer || type_.Kind() == reflect.Slice || type_.Kind() == reflect.Map {
		type_ = type_.Elem()
	}
	if type_.Kind() != reflect.Struct {
		return
	}
	for _, each := range outer {
		if each == type_ {
			return
		}
	}
	for index := range type_.NumField() {
		field := type_.Field(index)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" || !field.IsExported() {
			continue
		}
		below := path
		if name != "" {
			below = strings.TrimPrefix(path+"."+name, ".")
		}
		strategy, key := field.Tag.Get("patchStrategy"), field.Tag.Get("patchMergeKey")
		if strategy != "" || key != "" {
			found[below] = strings.TrimSuffix(strategy+":"+key, ":")
		}
		if field.Type.Kind() != reflect.Slice || strings.Contains(strategy, "merge") { // others are replaced as a whole
			addStrategies(found, field.Type, below, append(outer, type_))
		}
	}
}

func main() {
	output := json.NewEncoder(os.Stdout)
	strategies := map[string]map[string]string{}
	for kind, type_ := range kinds {
		strategies[kind] = map[string]string{}
		addStrategies(strategies[kind], reflect.TypeOf(type_), "", nil)
	}
	output.Encode(strategies)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var given struct {
			Kind            string
			Original, Patch map[string]any
		}
		if err := json.Unmarshal(lines.Bytes(), &given); err != nil {
			log.Fatal(err)
		}
		type_, known := kinds[given.Kind]
		if !known {
			log.Fatalf("unknown kind %s", given.Kind)
		}
		result, err := strategicpatch.StrategicMergeMapPatch(given.Original, given.Patch, type_)
		if err != nil {
			output.Encode(map[string]any{"error": err.Error()})
		} else {
			output.Encode(map[string]any{"result": result})
		}
	}
}
