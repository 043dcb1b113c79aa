package main

import (
	"fmt"
	"html"
	"strings"
)

// bar is one request in the chart.
type bar struct {
	label string
	ratio float64
	class string
}

// bars are those that are drawn, after the bare handler.
func (f findings) bars() []bar {
	bars := []bar{{"bare Fiber handler", 1, "unit"}}
	for _, r := range f.rows {
		if r.charted == "" {
			continue
		}
		class := "other"
		if strings.HasPrefix(r.charted, "cognito") {
			class = "ours"
		}
		bars = append(bars, bar{r.charted, r.ratio(), class})
	}
	return bars
}

// chart draws what a signed-in request costs, here and elsewhere. It has colours
// for light and for dark pages.
func (f findings) chart() string {
	const (
		width, labels, right = 720, 262, 56 // right is kept for the figures
		top, pitch, height   = 52, 28, 18
	)
	bars, longest := f.bars(), 1.0
	for _, bar := range bars {
		longest = max(longest, bar.ratio)
	}

	var b strings.Builder
	bottom := top + pitch*len(bars) + 4
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-labelledby="title">
<title id="title">What a signed-in request costs, in bare Fiber requests</title>
<style>
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.head { font-size: 15px; font-weight: 600 }
.note { fill: #59636e }
.unit { fill: #afb8c1 } .ours { fill: #0969da } .other { fill: #8c959f }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .note { fill: #9198a1 }
  .unit { fill: #6e7681 } .ours { fill: #4493f8 } .other { fill: #848d97 }
}
</style>
<text class="head" x="8" y="20">What a signed-in request costs</text>
<text class="note" x="8" y="38">Processor time. A bare Fiber handler that gets the same bytes is 1.</text>
`, width, bottom, width, bottom)
	for i, bar := range bars {
		y := top + pitch*i
		length := max(1.5, bar.ratio/longest*float64(width-labels-right))
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>
<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/>
<text x="%.1f" y="%d">%s</text>
`, labels-10, y+height-4, html.EscapeString(bar.label), bar.class, labels, y, length, height, float64(labels)+length+8, y+height-4, figure(bar.ratio))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func figure(ratio float64) string {
	if ratio >= 10 {
		return fmt.Sprintf("%.0f×", ratio)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", ratio), ".0") + "×"
}
