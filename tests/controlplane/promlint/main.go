// Reads metrics from standard input as Prometheus does, and says what `promtool check metrics` would:
// a line for each finding, metric and text. It fails where the text is none of metrics.
package main

import (
	"fmt"
	"os"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func main() {
	problems, err := promlint.New(os.Stdin).Lint()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, problem := range problems {
		fmt.Printf("%s %s\n", problem.Metric, problem.Text)
	}
}
