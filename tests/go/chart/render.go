// Renders the templates of a Helm chart, as far as the official chart needs it: Go's own templates, with the
// functions of Helm that it calls. Reads {"chart", "values", "release"} as JSON; prints the objects as YAML.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// YAML in block style, keys sorted, as Helm's toYaml; strings as JSON, which YAML reads.
func toYaml(value interface{}) string {
	scalar, err := json.Marshal(value)
	check(err)
	var lines []string
	switch value := value.(type) {
	case map[string]interface{}:
		keys := make([]string, 0, len(value))
		for key := range value {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		for _, key := range keys {
			lines = append(lines, entry(key+":", value[key]))
		}
	case []interface{}:
		for _, item := range value {
			lines = append(lines, entry("-", item))
		}
	}
	if len(lines) == 0 {
		return string(scalar)
	}
	return strings.Join(lines, "\n")
}

func entry(head string, value interface{}) string {
	text := toYaml(value)
	switch value.(type) {
	case map[string]interface{}, []interface{}:
		if text != "{}" && text != "[]" {
			return head + "\n" + indent(2, text)
		}
	}
	return head + " " + text
}

func indent(spaces int, text string) string {
	pad := strings.Repeat(" ", spaces)
	return pad + strings.ReplaceAll(text, "\n", "\n"+pad)
}

func isEmpty(value interface{}) bool {
	truth, _ := template.IsTrue(value)
	return !truth
}

func main() {
	var given struct {
		Folder                 string
		Chart, Values, Release map[string]interface{}
	}
	check(json.NewDecoder(os.Stdin).Decode(&given))
	data := map[string]interface{}{"Values": given.Values, "Chart": given.Chart, "Release": given.Release}
	all := template.New("chart")
	rendered := func(use func(*bytes.Buffer) error) (string, error) {
		var buffer bytes.Buffer
		err := use(&buffer)
		return buffer.String(), err
	}
	all.Funcs(template.FuncMap{
		"include": func(name string, data interface{}) (string, error) {
			return rendered(func(buffer *bytes.Buffer) error { return all.ExecuteTemplate(buffer, name, data) })
		},
		"tpl": func(text string, data interface{}) (string, error) {
			clone := template.Must(all.Clone())
			parsed, err := clone.New("tpl").Parse(text)
			check(err)
			return rendered(func(buffer *bytes.Buffer) error { return parsed.Execute(buffer, data) })
		},
		"toYaml":  toYaml,
		"nindent": func(spaces int, text string) string { return "\n" + indent(spaces, text) },
		"default": func(fallback, value interface{}) interface{} {
			if isEmpty(value) {
				return fallback
			}
			return value
		},
		"trunc": func(length int, text string) string {
			if len(text) > length {
				return text[:length]
			}
			return text
		},
		"trimSuffix": func(suffix, text string) string { return strings.TrimSuffix(text, suffix) },
		"replace":    func(old, new, text string) string { return strings.ReplaceAll(text, old, new) },
	})
	var files []string
	check(filepath.Walk(filepath.Join(given.Folder, "templates"), func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			files = append(files, path)
		}
		return err
	}))
	for _, path := range files {
		text, err := os.ReadFile(path)
		check(err)
		_, err = all.New(path).Parse(string(text))
		check(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, ".yaml") {
			fmt.Println("---")
			check(all.ExecuteTemplate(os.Stdout, path, data))
		}
	}
}
