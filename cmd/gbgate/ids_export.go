package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"

	"gbgate/bridge/idstore"
	"gbgate/cmd/gbgate/config"
	"gbgate/cmd/gbgate/sheet"
)

// exportCommand is `ids export`: what the platform's owner wants back, and what is left to hand out.
func (r *idsRun) exportCommand(args []string) int {
	asCSV, asXLSX, out, superior := false, false, "", ""
	code, done := r.start(args, 0, func(fs *flag.FlagSet) {
		fs.BoolVar(&asCSV, "csv", false, "write CSV, for programs")
		fs.BoolVar(&asXLSX, "xlsx", false, "write a workbook, for people")
		fs.StringVar(&out, "o", "", "`file` to write instead of standard output")
		fs.StringVar(&superior, "superior", "", "the cameras and codes as the superior of this `name` sees them")
	})
	switch {
	case done:
		return code
	case asCSV && asXLSX:
		return r.refuse(exitUsage, errors.New("ids export: give one of --csv and --xlsx"))
	case r.json && (asCSV || asXLSX) && out == "":
		return r.refuse(exitUsage, errors.New("ids export: --json needs standard output; give the sheet a file by -o"))
	case out != "" && !asCSV && !asXLSX:
		asXLSX = path.Ext(out) == ".xlsx"
		asCSV = !asXLSX
	}
	rows, err := r.exportRows(superior)
	if err != nil {
		return r.refuse(exitBad, err)
	}
	if asCSV || asXLSX {
		if err := r.writeSheet(out, asXLSX, rows); err != nil {
			return r.refuse(exitBad, err)
		}
		if !r.json {
			return exitGood
		}
	}
	return r.end(func() {
		table(r.stdout, "CODE\tNAME\tSTATE\tCAMERA", func(line func(...any)) {
			for _, row := range rows[1:] {
				line(dash(row[1]), dash(row[2]), row[9], dash(row[10]))
			}
		})
	})
}

// exportRows makes the sheet, with its heading: the cameras, then the free camera codes.
func (r *idsRun) exportRows(superior string) ([][]string, error) {
	sees := func(config.Camera) bool { return true }
	ids := map[string]string{}
	if superior != "" {
		n := slices.IndexFunc(r.cfg.Superiors, func(s config.Superior) bool { return s.Name == superior })
		if n < 0 {
			return nil, fmt.Errorf("there is no superior %q", superior)
		}
		s := r.cfg.Superiors[n]
		ids = s.IDs
		sees = func(c config.Camera) bool {
			return slices.ContainsFunc(s.Channels, func(p string) bool { ok, _ := path.Match(p, c.Name); return ok })
		}
	}
	s, err := idstore.Open(r.path)
	if err != nil {
		return nil, err
	}
	owners := r.owners(s)
	r.count(s, owners)
	rows := [][]string{{"序号", "国标编码", "名称", "行政区域", "安装地址", "厂商", "型号", "经度", "纬度", "状态", "摄像机"}}
	r.settle(s, false)
	all := r.doc.Cameras
	r.doc.Cameras, r.doc.Verdict = []idsCameraDoc{}, good // `ids check` judges
	for i, c := range r.cfg.Cameras {
		if !sees(c) {
			continue
		}
		d := idsCameraDoc{Name: c.Name, Title: c.Title, Code: ids[c.Name], Origin: idstore.Given.String(), Verdict: good}
		if origin := all[i].Origin; d.Code == "" {
			d.Origin = idstore.None.String()
			if origin == idstore.Given.String() || origin == idstore.Kept.String() {
				d.Code, d.Origin = all[i].Code, origin
			}
		} else {
			d.Superior = superior
		}
		r.doc.Cameras = append(r.doc.Cameras, d)
		rows = append(rows, cameraRow(len(rows), c, d.Code))
	}
	for _, c := range s.Block() {
		if _, used := owners[c.Code]; !used && c.Kind == "" {
			rows = append(rows, []string{
				strconv.Itoa(len(rows)), c.Code, c.Name, c.Code[:min(6, len(c.Code))], "", "", "", "", "", "空闲", "",
			})
		}
	}
	return rows, nil
}

func cameraRow(n int, c config.Camera, code string) []string {
	civil, address, state := c.CivilCode, c.Address, "已用"
	if code == "" {
		state = "未分配"
	}
	if civil == "" {
		civil = code[:min(6, len(code))]
	}
	if address == "" {
		address = c.Title
	}
	longitude, latitude := "", ""
	if c.Longitude != 0 || c.Latitude != 0 {
		longitude = strconv.FormatFloat(c.Longitude, 'f', -1, 64)
		latitude = strconv.FormatFloat(c.Latitude, 'f', -1, 64)
	}
	return []string{
		strconv.Itoa(n), code, c.Title, civil, address, c.Manufacturer, c.Model, longitude, latitude, state, c.Name,
	}
}

// writeSheet writes to a file, or to standard output.
func (r *idsRun) writeSheet(out string, asXLSX bool, rows [][]string) error {
	write := func(w io.Writer) error { return sheet.WriteCSV(w, rows) }
	if asXLSX {
		write = func(w io.Writer) error { return sheet.WriteXLSX(w, "国标编码", rows) }
	}
	if out == "" {
		return write(r.stdout)
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
