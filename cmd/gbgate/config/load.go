package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

const maxFileSize = 4 << 20

// Load reads and checks a file. What is wrong comes back as Faults, all at once; the
// configuration is nil then.
func Load(path string, options ...Option) (*Config, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, Faults{{File: path, Text: plainFileError(err)}}
	}
	if info.Size() > maxFileSize {
		return nil, Faults{{File: path, Text: fmt.Sprintf("the file has %d bytes; that is no configuration", info.Size())}}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, Faults{{File: path, Text: plainFileError(err)}}
	}
	return Parse(path, string(text), options...)
}

func plainFileError(err error) string {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "no such file"
	case errors.Is(err, os.ErrPermission):
		return "may not be read by this user"
	}
	return err.Error()
}

// Parse is Load for a text that is already in memory; path names it in the faults, and
// password files are looked up relative to it.
func Parse(path, text string, options ...Option) (*Config, error) {
	p := parser{path: path, text: text, cfg: Default()}
	for _, set := range options {
		set(&p)
	}
	if !utf8.ValidString(text) {
		p.fault(0, "", "the file is not UTF-8 (saved as GBK or ANSI on Windows?); save it as UTF-8")
		return nil, p.faults
	}
	if p.decode() {
		p.secrets()
		p.validate()
	}
	if len(p.faults) > 0 {
		slices.SortStableFunc(p.faults, func(a, b Fault) int { return a.Line - b.Line })
		return nil, p.faults
	}
	return p.cfg, nil
}

type parser struct {
	path, text string
	cfg        *Config
	meta       toml.MetaData
	faults     Faults
	codes      Codes             // finds codes for cameras without; nil = nobody does
	codeFaults map[string]string // by camera: what it says of them

	missingCodes bool // are no fault

	found *places  // see places
	lines []string // see lineOf
}

// places tells where in the text what stands.
func (p *parser) places() *places {
	if p.found == nil {
		p.found = locate(p.text)
	}
	return p.found
}

// lineOf returns a line of the text, "" if there is none.
func (p *parser) lineOf(line int) string {
	if p.lines == nil {
		p.lines = strings.Split(p.text, "\n")
	}
	if line < 1 || line > len(p.lines) {
		return ""
	}
	return p.lines[line-1]
}

func (p *parser) fault(line int, key, format string, args ...any) {
	p.faults = append(p.faults, Fault{File: p.path, Line: line, Key: key, Text: fmt.Sprintf(format, args...)})
}

// decode fills cfg; false means that it could not be filled whole, so that checking it
// further would only tell of consequences.
func (p *parser) decode() bool {
	var file struct {
		Gateway   *Gateway         `toml:"gateway"`
		Admin     *Admin           `toml:"admin"`
		Recording *Recording       `toml:"recording"`
		Superiors []toml.Primitive `toml:"superior"`
		Groups    []toml.Primitive `toml:"group"`
		Cameras   []toml.Primitive `toml:"camera"`
	}
	file.Gateway, file.Admin, file.Recording = &p.cfg.Gateway, &p.cfg.Admin, &p.cfg.Recording
	var err error
	if p.meta, err = toml.Decode(p.text, &file); err != nil {
		p.decodeFault(err, "")
		return false
	}
	torn := map[string]bool{} // lists with an entry whose decoding stopped half-way
	for i, prim := range file.Superiors {
		s, ok := p.superior(i, prim)
		p.cfg.Superiors = append(p.cfg.Superiors, s)
		if !ok {
			torn["superior"] = true
		}
	}
	for i, prim := range file.Groups {
		var g Group
		if err := p.meta.PrimitiveDecode(prim, &g); err != nil {
			p.decodeFault(err, fmt.Sprintf("group[%d]", i+1))
			torn["group"] = true
		}
		p.cfg.Groups = append(p.cfg.Groups, g)
	}
	for i, prim := range file.Cameras {
		c := DefaultCamera()
		if err := p.meta.PrimitiveDecode(prim, &c); err != nil {
			p.decodeFault(err, fmt.Sprintf("camera[%d]", i+1))
			torn["camera"] = true
		}
		if c.Title == "" {
			c.Title = c.Name
		}
		p.cfg.Cameras = append(p.cfg.Cameras, c)
	}
	p.unknown(torn, map[string]int{
		"superior": len(file.Superiors), "group": len(file.Groups), "camera": len(file.Cameras),
	})
	return len(torn) == 0
}

// unknown adds the keys that are none; lists has the lists' lengths. The decoder tells such a key once for each entry
// that has it, in their order, without the entry.
func (p *parser) unknown(torn map[string]bool, lists map[string]int) {
	next := map[string]int{} // by key: the entry from which on the next one is looked for
	for _, key := range p.meta.Undecoded() {
		if torn[key[0]] {
			continue
		}
		table, name, path := "", key[len(key)-1], key.String()
		if len(key) > 1 {
			table = strings.Join(key[:len(key)-1], ".")
		}
		where := path
		n, line := p.places().from(table, next[path], name)
		if line > 0 && n < lists[key[0]] {
			next[path] = n + 1
			where = fmt.Sprintf("%s[%d]%s", key[0], n+1, strings.TrimPrefix(path, key[0]))
		} else {
			line = p.places().line(table, -1, name)
		}
		p.fault(line, where, "unknown key%s", suggestion(name, table))
	}
}

// superior decodes one [[superior]]: its profile first, then its own keys above that.
func (p *parser) superior(i int, prim toml.Primitive) (s Superior, ok bool) {
	s = DefaultSuperior()
	var first struct {
		Compat struct {
			Profile string `toml:"profile"`
		} `toml:"compat"`
	}
	where := fmt.Sprintf("superior[%d]", i+1)
	if err := p.meta.PrimitiveDecode(prim, &first); err != nil {
		p.decodeFault(err, where)
		return s, false
	}
	if !s.Compat.applyProfile(first.Compat.Profile) {
		p.fault(p.places().line("superior.compat", i, "profile"), where+".compat.profile",
			"there is no profile %q; there are %s", first.Compat.Profile, strings.Join(ProfileNames(), ", "))
	}
	if err := p.meta.PrimitiveDecode(prim, &s); err != nil {
		p.decodeFault(err, where)
		return s, false
	}
	return s, true
}

var (
	lineInText = regexp.MustCompile(`line (\d+)`)                                            //nolint:gochecknoglobals // compiled once
	wrongType  = regexp.MustCompile(`TOML value has type (\w+); destination has type (\w+)`) //nolint:gochecknoglobals // compiled once
	tomlPrefix = regexp.MustCompile(`^toml: (line \d+[^:]*: )?`)                             //nolint:gochecknoglobals // compiled once
)

// decodeFault turns the decoder's error into a line an installer understands.
func (p *parser) decodeFault(err error, key string) {
	line, text := 0, err.Error()
	var parse toml.ParseError
	if errors.As(err, &parse) {
		line, text = parse.Position.Line, parse.Message
		if parse.LastKey != "" && key == "" {
			key = parse.LastKey
		}
		if text == "" {
			text = tomlPrefix.ReplaceAllString(err.Error(), "")
		}
	} else if m := lineInText.FindStringSubmatch(text); m != nil {
		_, _ = fmt.Sscan(m[1], &line)
	}
	if m := wrongType.FindStringSubmatch(text); m != nil {
		text = fmt.Sprintf("is a value of type %s where %s is expected", m[1], m[2])
		if m[2] == "string" {
			text = "is text: write it between quotes"
		}
	}
	if name, _, assigns := strings.Cut(p.lineOf(line), "="); assigns && strings.HasSuffix(key, "]") {
		key += "." + strings.TrimSpace(name) // the decoder names no key inside of a list
	}
	if plain := slip(p.lineOf(line), text); plain != "" {
		text = plain
	}
	p.fault(line, key, "%s", tomlPrefix.ReplaceAllString(text, ""))
}

// secrets fetches the passwords that stand in files or in the environment.
func (p *parser) secrets() {
	for i := range p.cfg.Superiors {
		s := &p.cfg.Superiors[i]
		p.secret(keyOf("superior", i, s.Name), &s.Password, s.PasswordFile, s.PasswordEnv)
		if s.Password == nil {
			p.fault(p.places().line("superior", i, "name"), keyOf("superior", i, s.Name)+".password",
				`is missing; give password, password_file or password_env (password = "" if the platform asks for none)`)
			s.Password = new(string)
		}
	}
	for i := range p.cfg.Cameras {
		c := &p.cfg.Cameras[i]
		p.secret(keyOf("camera", i, c.Name), &c.Password, c.PasswordFile, c.PasswordEnv)
		if c.Password == nil {
			if c.Username != "" {
				p.fault(p.places().line("camera", i, "username"), keyOf("camera", i, c.Name)+".password",
					`is missing beside username; give password, password_file or password_env`)
			}
			c.Password = new(string)
		}
	}
}

func (p *parser) secret(key string, password **string, file, env string) {
	given := 0
	for _, is := range []bool{*password != nil, file != "", env != ""} {
		if is {
			given++
		}
	}
	if given > 1 {
		p.fault(0, key+".password", "give only one of password, password_file and password_env")
		return
	}
	switch {
	case file != "":
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(p.path), file)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			p.fault(0, key+".password_file", "%s: %s", file, plainFileError(err))
		}
		secret := strings.TrimRight(string(text), "\r\n")
		*password = &secret
	case env != "":
		secret, ok := os.LookupEnv(env)
		if !ok {
			p.fault(0, key+".password_env", "the environment has no variable %s", env)
		}
		*password = &secret
	}
}

// keyOf names an entry of a list the way people count: camera[2] "gate".
func keyOf(list string, i int, name string) string {
	if name == "" {
		return fmt.Sprintf("%s[%d]", list, i+1)
	}
	return fmt.Sprintf("%s[%d] %q", list, i+1, name)
}
