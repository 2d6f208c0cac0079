// The OpenAPI documents of a server, read as client-go and kubectl read them: each is parsed, and every kind's fields
// are looked up for strategic merge patches and for server-side apply.
//
// It prints one line of JSON: the kinds of each document, and the problems.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"sort"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	openapi_v3 "github.com/google/gnostic-models/openapiv3"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/openapi3"
	"k8s.io/client-go/rest"
	"k8s.io/kube-openapi/pkg/util/proto"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

const kindsOf = "x-kubernetes-group-version-kind"

type found struct {
	Kinds    map[string][]string `json:"kinds"`
	Problems []string            `json:"problems"`
}

func (f *found) problem(format string, values ...any) {
	f.Problems = append(f.Problems, fmt.Sprintf(format, values...))
}

func main() {
	server := flag.String("server", "", "URL of the API")
	flag.Parse()
	client := discovery.NewDiscoveryClientForConfigOrDie(&rest.Config{Host: *server})
	seen := &found{Kinds: map[string][]string{}, Problems: []string{}}
	readV2(client, seen)
	readV3(client, seen)
	sort.Strings(seen.Problems)
	if err := json.NewEncoder(os.Stdout).Encode(seen); err != nil {
		log.Fatal(err)
	}
}

// Models as kubectl's validation and patches have them.
func readModels(document string, models proto.Models, seen *found) {
	for _, name := range models.ListModels() {
		model := models.LookupModel(name)
		kinds, _ := model.GetExtensions()[kindsOf].([]any)
		for _, each := range kinds {
			seen.Kinds[document] = append(seen.Kinds[document], kindText(each))
		}
		kind, isKind := model.(*proto.Kind)
		if !isKind {
			continue
		}
		lookup := strategicpatch.NewPatchMetaFromOpenAPI(model)
		for _, field := range kind.Keys() {
			look(fmt.Sprintf("%s: %s.%s", document, name, field), kind.Fields[field], field, lookup, seen)
		}
	}
}

func look(place string, field proto.Schema, name string, lookup strategicpatch.PatchMetaFromOpenAPI, seen *found) {
	var err error
	if reference, isReference := field.(proto.Reference); isReference {
		field = reference.SubSchema()
	}
	switch field.(type) {
	case *proto.Kind:
		_, _, err = lookup.LookupPatchMetadataForStruct(name)
	case *proto.Array:
		_, _, err = lookup.LookupPatchMetadataForSlice(name)
	}
	if err != nil {
		seen.problem("%s: %v", place, err)
	}
}

func kindText(each any) string {
	fields := map[string]string{}
	switch given := each.(type) {
	case map[any]any:
		for key, value := range given {
			fields[fmt.Sprint(key)] = fmt.Sprint(value)
		}
	case map[string]any:
		for key, value := range given {
			fields[key] = fmt.Sprint(value)
		}
	}
	return fmt.Sprintf("%s/%s %s", fields["group"], fields["version"], fields["kind"])
}

func readV2(client *discovery.DiscoveryClient, seen *found) {
	raw, err := client.RESTClient().Get().AbsPath("/openapi/v2").SetHeader("Accept", "application/json").Do(context.Background()).Raw()
	if err != nil {
		log.Fatal(err)
	}
	document, err := openapi_v2.ParseDocument(raw)
	if err != nil {
		seen.problem("v2: %v", err)
		return
	}
	models, err := proto.NewOpenAPIData(document)
	if err != nil {
		seen.problem("v2: %v", err)
		return
	}
	readModels("v2", models, seen)
	if _, err := client.OpenAPISchema(); err != nil {
		seen.problem("v2 in protobuf: %v", err)
	}
}

func readV3(client *discovery.DiscoveryClient, seen *found) {
	paths, err := client.OpenAPIV3().Paths()
	if err != nil {
		log.Fatal(err)
	}
	for path, version := range paths {
		raw, err := version.Schema("application/json")
		if err != nil {
			seen.problem("%s: %v", path, err)
			continue
		}
		document, err := openapi_v3.ParseDocument(raw)
		if err != nil {
			seen.problem("%s: %v", path, err)
			continue
		}
		models, err := proto.NewOpenAPIV3Data(document)
		if err != nil {
			seen.problem("%s: %v", path, err)
			continue
		}
		readModels(path, models, seen)
	}
	root := openapi3.NewRoot(client.OpenAPIV3())
	versions, err := root.GroupVersions()
	if err != nil {
		log.Fatal(err)
	}
	for _, version := range versions {
		document, err := root.GVSpec(version)
		if err != nil {
			seen.problem("%s: %v", version, err)
			continue
		}
		schemas := map[string]*spec.Schema{}
		for name, schema := range document.Components.Schemas {
			schemas[name] = schema
		}
		if _, err := managedfields.NewTypeConverter(schemas, false); err != nil {
			seen.problem("%s: %v", version, err)
		}
		lists := map[string]*spec.Schema(schemas)
		for name, schema := range schemas {
			lookup := strategicpatch.PatchMetaFromOpenAPIV3{Schema: schema, SchemaList: lists}
			for field, property := range schema.Properties {
				if property.Type.Contains("array") {
					if _, _, err := lookup.LookupPatchMetadataForSlice(field); err != nil {
						seen.problem("%s: %s.%s: %v", version, name, field, err)
					}
				}
			}
		}
	}
}
