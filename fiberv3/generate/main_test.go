package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNothingWasChangedByHand: what is committed is what would be generated.
func TestNothingWasChangedByHand(t *testing.T) {
	fresh := t.TempDir()
	for _, folder := range []string{"", "cognitotest"} {
		if err := generate("../..", fresh, folder, isSource); err != nil {
			t.Fatal(err)
		}
	}
	compared := 0
	err := filepath.WalkDir(fresh, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(fresh, file)
		if err != nil {
			return err
		}
		want, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what would be generated; run go generate in fiberv3", name)
		}
		compared++
		return nil
	})
	if err != nil || compared < 15 {
		t.Errorf("%d files were compared: %v", compared, err)
	}
}

// TestNothingIsLeftOver: no file claims to be generated that would not be any more.
func TestNothingIsLeftOver(t *testing.T) {
	for _, folder := range []string{"", "cognitotest"} {
		files, err := filepath.Glob(filepath.Join("..", folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal("no files", err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(text), header) {
				continue
			}
			if _, err := os.Stat(filepath.Join("../..", folder, filepath.Base(file))); err != nil {
				t.Errorf("%s was generated from a file that is gone: %v", file, err)
			}
		}
	}
}

// TestSiblingStaysOut: whoever uses Fiber v3 gets no byte of Fiber v2.
func TestSiblingStaysOut(t *testing.T) {
	for _, file := range []string{"../go.mod", "../go.sum"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "gofiber/fiber/v2") {
			t.Errorf("%s names Fiber v2", file)
		}
	}
}
