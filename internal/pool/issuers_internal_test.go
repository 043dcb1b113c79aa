package pool

import "testing"

// TestRegionOf: a pool's ID that says less than its Region and its own name has no issuer
// that could be derived.
func TestRegionOf(t *testing.T) {
	for id, want := range map[string]bool{
		"eu-west-2_AbCdEfGhI": true, "us-gov-west-1_a": true, "cn-north-1_a": true,
		"": false, "_": false, "eu-west-2": false, "eu-west-2_": false, "_AbCdEfGhI": false, "local_AbCdEfGhI": false, "atlantis-1_a": false,
	} {
		if region, ok := RegionOf(id); ok != want {
			t.Errorf("%q has the Region %q: %t, want %t", id, region, ok, want)
		}
	}
}
