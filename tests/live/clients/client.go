// Go's own client, which keeps connections. Prints the status of each answer whose JSON could be read.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
)

func main() {
	asks := [][3]string{
		{"/predict", strings.Repeat("a", 9_000_000), "application/json"},
		{"/nosuch", strings.Repeat("a", 300_000), "application/json"},
		{"/predict", strings.Repeat("a", 300_000), "text/plain"},
		{"/predict", `{"text": "Hello"}`, "application/json"},
		{"/predict", `{"text": "Hello"}`, "application/json"},
	}
	for _, ask := range asks {
		answer, err := http.Post(os.Args[1]+ask[0], ask[2], strings.NewReader(ask[1]))
		if err != nil {
			panic(err)
		}
		var found map[string]any
		if err := json.NewDecoder(answer.Body).Decode(&found); err != nil {
			panic(err)
		}
		answer.Body.Close()
		fmt.Println(answer.StatusCode)
	}
}
