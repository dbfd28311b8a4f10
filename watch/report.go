package watch

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"strings"

	"goxkd/record"
)

// Report writes the page of runs as one file, with their figures and pictures in it.
func Report(w io.Writer, folders ...string) error {
	var data struct {
		Runs     []Info              `json:"runs"`
		Curves   []Curves            `json:"curves"`
		Pictures []map[string]string `json:"pictures"` // by run and name, as data URLs
	}
	for _, folder := range folders {
		r, err := record.Open(folder)
		if err != nil {
			return err
		}
		if err := r.Update(); err != nil {
			return err
		}
		i, pictures := info(r), map[string]string{}
		for _, l := range i.Looks {
			for _, c := range l.Clips {
				for _, name := range []string{c.Video, c.Audio} {
					if name == "" {
						continue
					}
					picture, err := record.Picture(folder, name)
					if err != nil {
						return fmt.Errorf("a picture of step %d: %w", l.Step, err)
					}
					pictures[name] = "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture)
				}
			}
		}
		data.Runs, data.Pictures = append(data.Runs, i), append(data.Pictures, pictures)
		data.Curves = append(data.Curves, Curves{Whole: true, Last: r.Log.Last.Step, Curves: r.Log.After(0)})
	}
	text, err := json.Marshal(data) // which writes < as an escape: it cannot end the element
	if err != nil {
		return err
	}
	part := func(name string) string {
		b, err := page.ReadFile("page/" + name)
		if err != nil {
			panic(err) // it is embedded
		}
		return string(b)
	}
	licence := "<details><summary>Licence of uPlot</summary><pre>" + html.EscapeString(part("uplot-LICENSE.txt")) + "</pre></details>"
	var sums []string
	script := func(name string) string {
		sum := sha256.Sum256([]byte(part(name)))
		sums = append(sums, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
		return "<script>" + part(name) + "</script>"
	}
	out := strings.NewReplacer(
		`<link rel="stylesheet" href="uplot.css">`, "<style>"+part("uplot.css")+"</style>",
		`<link rel="stylesheet" href="page.css">`, "<style>"+part("page.css")+"</style>",
		`(<a href="uplot-LICENSE.txt">MIT licence</a>)`, licence,
		`<script src="uplot.js"></script>`, script("uplot.js")+`<script type="application/json" id="data">`+string(text)+"</script>",
		`<script src="page.js"></script>`, script("page.js"),
	).Replace(part("index.html"))
	policy := `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src ` + strings.Join(sums, " ") + `">`
	_, err = io.WriteString(w, strings.Replace(out, `<meta charset="utf-8">`, `<meta charset="utf-8">`+"\n"+policy, 1))
	return err
}
