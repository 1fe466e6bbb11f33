package main

import (
	"flag"
	"fmt"

	"gbgate/bridge/idstore"
)

// idsCameraDoc is a camera and its code.
type idsCameraDoc struct {
	Name     string `json:"name"`
	Title    string `json:"title"`
	Code     string `json:"code,omitempty"`
	Origin   string `json:"origin"`             // file | kept | new | none
	Superior string `json:"superior,omitempty"` // the code is for this one only
	Verdict  string `json:"verdict"`
	Reason   string `json:"reason,omitempty"`
}

// assignCommand is `ids assign`.
func (r *idsRun) assignCommand(args []string) int {
	anyName, dry, release := false, false, ""
	code, done := r.start(args, 0, func(fs *flag.FlagSet) {
		fs.BoolVar(&anyName, "any", false, "give also codes that the sheet means for other names")
		fs.BoolVar(&dry, "dry-run", false, "only show what would be given")
		fs.StringVar(&release, "release", "", "take the code from the camera of this `name` instead")
	})
	if done {
		return code
	}
	if release != "" {
		return r.release(release, dry)
	}
	work := func(s *idstore.Store) error {
		r.settle(s, anyName)
		r.count(s, r.owners(s))
		return nil
	}
	err := r.store(dry, work)
	if err != nil {
		return r.refuse(exitBad, err)
	}
	return r.end(r.showCameras)
}

// store lets work change the ID store, or with dry a copy of it in memory.
func (r *idsRun) store(dry bool, work func(*idstore.Store) error) error {
	if !dry {
		return idstore.Update(r.path, work)
	}
	s, err := idstore.Open(r.path)
	if err != nil {
		return err
	}
	return work(s)
}

// settle gives every camera its code and tells it.
func (r *idsRun) settle(s *idstore.Store, anyName bool) {
	ask := request(r.cfg)
	ask.AnyName = anyName
	for i, b := range s.Settle(ask) {
		d := idsCameraDoc{
			Name: b.Camera, Title: ask.Cameras[i].Title, Code: b.Code, Origin: b.Origin.String(), Verdict: good,
		}
		if b.Err != nil {
			d.Verdict, d.Reason = bad, b.Err.Error()
			r.doc.Verdict = bad
		}
		r.doc.Cameras = append(r.doc.Cameras, d)
	}
}

// release takes the code of a camera that has left for good back into the block.
func (r *idsRun) release(name string, dry bool) int {
	var code string
	var known bool
	err := r.store(dry, func(s *idstore.Store) error {
		code, known = s.Release(name)
		r.count(s, r.owners(s))
		return nil
	})
	if err != nil {
		return r.refuse(exitBad, err)
	}
	if !known {
		return r.refuse(exitBad, fmt.Errorf("the ID store knows no camera %q", name))
	}
	r.doc.Cameras = []idsCameraDoc{
		{Name: name, Origin: idstore.None.String(), Verdict: good, Reason: code + " is free again"},
	}
	return r.end(func() { fmt.Fprintf(r.stdout, "%s: %s is free again\n", name, code) })
}

// checkCameras is `ids check` without a sheet: has every camera a code, and is it one of the block?
func (r *idsRun) checkCameras() int {
	s, err := idstore.Open(r.path)
	if err != nil {
		return r.refuse(exitBad, err)
	}
	owners := r.owners(s)
	r.count(s, owners)
	r.settle(s, false)
	for i := range r.doc.Cameras {
		d := &r.doc.Cameras[i]
		switch d.Origin {
		case idstore.New.String():
			d.Verdict, d.Reason = bad, "has no code yet; `gbgate ids assign` would give it "+d.Code
			d.Code, d.Origin = "", idstore.None.String()
		case idstore.Given.String(), idstore.Kept.String():
			r.inBlock(s, d)
		}
	}
	for _, sup := range r.cfg.Superiors {
		for _, c := range r.cfg.Cameras {
			if code := sup.IDs[c.Name]; code != "" {
				d := idsCameraDoc{
					Name: c.Name, Title: c.Title, Code: code, Origin: idstore.Given.String(), Superior: sup.Name, Verdict: good,
				}
				r.inBlock(s, &d)
				r.doc.Cameras = append(r.doc.Cameras, d)
			}
		}
	}
	for _, d := range r.doc.Cameras {
		r.doc.Verdict = worse(r.doc.Verdict, d.Verdict)
	}
	return r.end(r.showCameras)
}

// inBlock checks a code against the sheets, if any were imported.
func (r *idsRun) inBlock(s *idstore.Store, d *idsCameraDoc) {
	code, found := s.InBlock(d.Code)
	switch {
	case d.Verdict != good || len(s.Block()) == 0:
	case !found:
		d.Verdict, d.Reason = bad, "is outside the block: no imported sheet has this code"
	case code.Name != "" && !idstore.SameName(code.Name, d.Title) && !idstore.SameName(code.Name, d.Name):
		d.Verdict, d.Reason = bad, "the sheet gives this code to "+code.Name
	}
}

func (r *idsRun) showCameras() {
	table(r.stdout, "CAMERA\tTITLE\tCODE\tFROM\tSUPERIOR\tVERDICT\tREASON", func(row func(...any)) {
		for _, d := range r.doc.Cameras {
			row(d.Name, d.Title, dash(d.Code), d.Origin, dash(d.Superior), d.Verdict, d.Reason)
		}
	})
	b := r.doc.Block
	fmt.Fprintf(r.stdout, "\nblock: %d camera codes, %d used, %d free\n", b.Codes, b.Used, b.Free)
}
