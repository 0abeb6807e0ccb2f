package main

import (
	_ "embed"
	"encoding/json"
	"os"
	"strings"
)

// A row of flags.json: the component's flag is refused before `First` and from `Gone` on.
type row struct{ Component, Flag, First, Gone string }

//go:embed flags.json
var table []byte

// before says whether version a is older than b, number by number.
func before(a, b string) bool {
	left, right := strings.Split(a, "."), strings.Split(b, ".")
	for place := 0; place < len(left) && place < len(right); place++ {
		if left[place] != right[place] {
			return len(left[place]) < len(right[place]) || len(left[place]) == len(right[place]) && left[place] < right[place]
		}
	}
	return len(left) < len(right)
}

// parse returns {flag: value} of the words, and the first flag that this release refuses, or "".
func parse(component, release string, words []string) (map[string]string, string) {
	var rows []row
	if err := json.Unmarshal(table, &rows); err != nil {
		panic(err)
	}
	refused := map[string]bool{}
	for _, one := range rows {
		late := one.First != "" && before(release, one.First)
		gone := one.Gone != "" && !before(release, one.Gone)
		if one.Component == component && (late || gone) {
			refused[one.Flag] = true
		}
	}
	given := map[string]string{}
	for place := 0; place < len(words); place++ {
		word := words[place]
		if !strings.HasPrefix(word, "-") {
			continue
		}
		flag, value, has := strings.Cut("--"+strings.TrimLeft(word, "-"), "=")
		if refused[flag] {
			return nil, flag
		}
		if !has && place+1 < len(words) && !strings.HasPrefix(words[place+1], "-") {
			place++
			value = words[place]
		}
		given[flag] = value
	}
	return given, ""
}

// or returns a flag's value, or the environment's, or what stands in for both.
func or(given map[string]string, flag, variable, otherwise string) string {
	if value, ok := given[flag]; ok {
		return value
	}
	if value := os.Getenv(variable); variable != "" && value != "" {
		return value
	}
	return otherwise
}
