package sheet

import (
	"regexp"
	"strings"
	"unicode"
)

// Columns says where in a table the codes are; −1 is nowhere.
type Columns struct {
	Heading  int // index of the row with the headings
	Code     int
	Name     int
	From, To int // first and last code, where a row is a range
}

// Entry is a row that has a code or should have one.
type Entry struct {
	Row  int
	Code string
	To   string // not "": the row is a range, Code its first
	Name string
	Err  error // the code can't be read from its cell
}

// Find tells where the codes are, by the words of the headings and by what stands below them; a
// table without headings will do. ok is false when nothing in it looks like a code.
func Find(t Table) (c Columns, ok bool) {
	c = Columns{-1, -1, -1, -1, -1}
	words := headings(t, &c)
	width := 0
	for _, row := range t.Rows {
		width = max(width, len(row.Cells))
	}
	best, bestName := 0.0, 0.0
	for i := range width {
		w, content := words[i], t.content(c.Heading, i)
		score := w.code + 10*content.codes + content.distinct
		switch suits := w.code > 0 || content.codes >= 0.5; {
		case w.from > 0 && content.codes > 0:
			c.From = i
		case w.to > 0 && content.codes > 0:
			c.To = i
		case suits && score > best:
			best, c.Code = score, i
		}
	}
	for i := range width {
		w, content := words[i], t.content(c.Heading, i)
		score := w.name
		if c.Heading < 0 && content.names >= 0.5 {
			score = content.names + content.distinct
		}
		if i != c.Code && i != c.From && i != c.To && score > bestName {
			bestName, c.Name = score, i
		}
	}
	if c.From < 0 || c.To < 0 {
		c.From, c.To = -1, -1
	}
	return c, c.Code >= 0 || c.From >= 0
}

// Entries returns the rows below the headings that have a code, or a name where a code should be.
// Rows with nothing but a remark in them are left out.
func (t Table) Entries(c Columns) []Entry {
	var entries []Entry
	for _, row := range t.Rows[c.Heading+1:] {
		e := Entry{Row: row.Number, Name: row.at(c.Name).Clean()}
		code := c.Code
		if c.From >= 0 && row.at(c.From).Clean() != "" {
			to, err := row.at(c.To).Code()
			code, e.To, e.Err = c.From, to, err
		}
		text, err := row.at(code).Code()
		if e.Code = text; e.Err == nil {
			e.Err = err
		}
		if e.Code != "" || e.Name != "" && row.filled() > 1 {
			entries = append(entries, e)
		}
	}
	return entries
}

func (r Row) at(column int) Cell {
	if column < 0 || column >= len(r.Cells) {
		return Cell{}
	}
	return r.Cells[column]
}

func (r Row) filled() (n int) {
	for _, c := range r.Cells {
		if c.Clean() != "" {
			n++
		}
	}
	return n
}

// word is how well a heading suits each kind of column; 0 is not at all.
type word struct{ code, name, from, to float64 }

// headings finds the row of headings among the first ones and what its words mean.
func headings(t Table, c *Columns) map[int]word {
	best, found := 0.0, map[int]word{}
	for i, row := range t.Rows[:min(len(t.Rows), 20)] {
		words, sum, ranges := map[int]word{}, 0.0, word{}
		for j, cell := range row.Cells {
			w := meaning(cell.Clean())
			words[j] = w
			sum += w.code + w.name + w.from + w.to
			ranges.code += w.code
			ranges.from += w.from
			ranges.to += w.to
		}
		if (ranges.code > 0 || ranges.from > 0 && ranges.to > 0) && sum > best {
			best, found, c.Heading = sum, words, i
		}
	}
	return found
}

// What makes of a heading with "编码" or "名称" that of another thing, or of the thing itself.
//
//nolint:gochecknoglobals // compiled once
var (
	otherCode = regexp.MustCompile(`父|上级|所属|平台|区划|区域|邮|服务器|厂|型号|parent|civil|domain|server`)
	otherName = regexp.MustCompile(`父|上级|所属|平台|用户|文件|厂|型号|组织|分组|单位|区划|区域|parent|user|file|group`)
	ownThing  = regexp.MustCompile(`国标|设备|通道|摄像|相机|点位|监控|gb|device|channel|camera`)
	firstWord = regexp.MustCompile(`^(起始|开始|首|起|from|start|first)`)
	lastWord  = regexp.MustCompile(`^(终止|结束|截止|末|止|to$|end|last)`)
)

// meaning judges one heading.
func meaning(heading string) (w word) {
	h := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
	if h == "" || len(h) > 60 {
		return w
	}
	own := 0.0
	if ownThing.MatchString(h) {
		own = 2
	}
	code := strings.Contains(h, "编码") || strings.HasSuffix(h, "code") || strings.HasSuffix(h, "id") ||
		strings.Contains(h, "编号") || own > 0 && strings.HasSuffix(h, "码")
	switch {
	case firstWord.MatchString(h) && (code || len([]rune(h)) <= 5):
		w.from = 4
	case lastWord.MatchString(h) && (code || len([]rune(h)) <= 4):
		w.to = 4
	case code && otherCode.MatchString(h):
	case code:
		w.code = 2 + own
		if strings.Contains(h, "编码") || strings.Contains(h, "国标") || strings.HasPrefix(h, "gb") {
			w.code += 2
		}
	case otherName.MatchString(h):
	case strings.Contains(h, "名称") || strings.HasSuffix(h, "name") || h == "名字" || h == "title":
		w.name = 3 + own
	case h == "点位" || strings.Contains(h, "地点") || strings.Contains(h, "位置") || strings.Contains(h, "地址"):
		w.name = 1
	}
	return w
}

// content is which parts of a column's filled cells look like what.
type content struct{ codes, names, distinct float64 }

func (t Table) content(heading, column int) content {
	var c content
	filled, seen := 0.0, map[string]bool{}
	for _, row := range t.Rows[heading+1 : min(len(t.Rows), heading+1000)] {
		cell := row.at(column)
		text := cell.Clean()
		if text == "" {
			continue
		}
		filled++
		seen[text] = true
		if cell.looksLikeCode() {
			c.codes++
		} else if strings.ContainsFunc(text, unicode.IsLetter) {
			c.names++
		}
	}
	if filled == 0 {
		return c
	}
	return content{c.codes / filled, c.names / filled, float64(len(seen)) / filled}
}
