// A dynamic informer of client-go, as controllers run it: how fast it knows all objects, and what it knows in the end.
//
// It prints one line of JSON once its cache is synced. Then it reads the name of an object, waits until its cache has it,
// and prints the versions of all that it knows.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

type requests struct {
	http.RoundTripper
	lock sync.Mutex
	seen []string
}

func (r *requests) RoundTrip(request *http.Request) (*http.Response, error) {
	r.lock.Lock()
	r.seen = append(r.seen, request.Method+" "+request.URL.RequestURI())
	r.lock.Unlock()
	return r.RoundTripper.RoundTrip(request)
}

func main() {
	server := flag.String("server", "", "URL of the API")
	group := flag.String("group", "image.openshift.io", "API group")
	resource := flag.String("resource", "imagestreams", "resource, in version v1")
	flag.Parse()

	asked := &requests{}
	config := &rest.Config{Host: *server, WrapTransport: func(next http.RoundTripper) http.RoundTripper {
		asked.RoundTripper = next
		return asked
	}}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		log.Fatal(err)
	}
	context, stop := context.WithTimeout(context.Background(), 5*time.Minute)
	defer stop()
	factory := dynamicinformer.NewDynamicSharedInformerFactory(client, 0)
	informer := factory.ForResource(schema.GroupVersionResource{Group: *group, Version: "v1", Resource: *resource}).Informer()
	began := time.Now()
	factory.Start(context.Done())
	if !cache.WaitForCacheSync(context.Done(), informer.HasSynced) {
		log.Fatal("never synced")
	}
	took := time.Since(began)
	asked.lock.Lock()
	first := append([]string{}, asked.seen...)
	asked.lock.Unlock()
	output := json.NewEncoder(os.Stdout)
	output.Encode(map[string]any{"syncedS": took.Seconds(), "objects": len(informer.GetStore().List()), "requests": first})

	lines := bufio.NewScanner(os.Stdin)
	if !lines.Scan() {
		return
	}
	for _, known, _ := informer.GetStore().GetByKey(lines.Text()); !known; _, known, _ = informer.GetStore().GetByKey(lines.Text()) {
		if context.Err() != nil {
			log.Fatalf("%s never came", lines.Text())
		}
		time.Sleep(10 * time.Millisecond)
	}
	versions := map[string]string{}
	for _, found := range informer.GetStore().List() {
		object := found.(*unstructured.Unstructured)
		versions[object.GetNamespace()+"/"+object.GetName()] = object.GetResourceVersion()
	}
	output.Encode(versions)
}
