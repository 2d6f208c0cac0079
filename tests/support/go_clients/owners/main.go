// Kubernetes' own field manager. The first line of input is {"schemas"}: the schemas of an OpenAPI v3 document. After that,
// each line of input is {"live", "object", "manager", "apply", "force"}, each line of output {"result"} or {"error"}.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

type request struct {
	Live    map[string]any `json:"live"`
	Object  map[string]any `json:"object"`
	Manager string         `json:"manager"`
	Apply   bool           `json:"apply"`
	Force   bool           `json:"force"`
}

// one has one version of every kind, and sets no defaults.
type one struct{}

func (one) Convert(in, out, context any) error { return nil }

func (one) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

func (one) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

func (one) Default(runtime.Object) {}

func (one) New(kind schema.GroupVersionKind) (runtime.Object, error) {
	made := &unstructured.Unstructured{}
	made.SetGroupVersionKind(kind)
	return made, nil
}

func managerOf(converter managedfields.TypeConverter, kind schema.GroupVersionKind) *managedfields.FieldManager {
	found, err := managedfields.NewDefaultFieldManager(converter, one{}, one{}, one{}, kind, kind.GroupVersion(), "", nil)
	if err != nil {
		log.Fatal(err)
	}
	return found
}

func answer(converter managedfields.TypeConverter, asked request) map[string]any {
	live := &unstructured.Unstructured{Object: asked.Live}
	object := &unstructured.Unstructured{Object: asked.Object}
	manager := managerOf(converter, live.GroupVersionKind())
	var result runtime.Object
	var err error
	if asked.Apply {
		result, err = manager.Apply(live, object, asked.Manager, asked.Force)
	} else {
		result, err = manager.Update(live, object, asked.Manager)
	}
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	return map[string]any{"result": result.(*unstructured.Unstructured).Object}
}

func main() {
	in := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	var given struct {
		Schemas map[string]*spec.Schema `json:"schemas"`
	}
	line, err := in.ReadBytes('\n')
	if err != nil {
		log.Fatal(err)
	}
	if err := json.Unmarshal(line, &given); err != nil {
		log.Fatal(err)
	}
	converter, err := managedfields.NewTypeConverter(given.Schemas, false)
	if err != nil {
		log.Fatal(err)
	}
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked request
		if err := unmarshal(line, &asked); err != nil {
			log.Fatal(err)
		}
		if err := out.Encode(answer(converter, asked)); err != nil {
			log.Fatal(err)
		}
	}
}

// unmarshal reads integers as such, as the API server does.
func unmarshal(line []byte, asked *request) error {
	if err := json.Unmarshal(line, asked); err != nil {
		return err
	}
	asked.Live = integers(asked.Live).(map[string]any)
	asked.Object = integers(asked.Object).(map[string]any)
	return nil
}

func integers(value any) any {
	switch found := value.(type) {
	case map[string]any:
		for key, each := range found {
			found[key] = integers(each)
		}
	case []any:
		for index, each := range found {
			found[index] = integers(each)
		}
	case float64:
		if found == float64(int64(found)) {
			return int64(found)
		}
	}
	return value
}
