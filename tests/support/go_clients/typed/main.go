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

	image "github.com/openshift/api/image/v1"
	imageclient "github.com/openshift/client-go/image/clientset/versioned/typed/image/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
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

	seen["types"] = asked.types
	json.NewEncoder(os.Stdout).Encode(seen)
}
