package live

import "testing"

func TestAMemberIsAskedWithTLSWhereTheGivenEndpointsHaveIt(t *testing.T) {
	for name, tt := range map[string]struct {
		urls     []string
		secure   bool
		url, why string
	}{
		"none":                     {nil, true, "", "it names no address for clients"},
		"the first":                {[]string{"http://a:1", "https://a:2"}, false, "http://a:1", ""},
		"the first with TLS":       {[]string{"http://a:1", "https://a:2", "https://a:3"}, true, "https://a:2", ""},
		"a socket with TLS":        {[]string{"unix:///a", "unixs:///b"}, true, "unixs:///b", ""},
		"none with TLS":            {[]string{"http://a:1", "unix:///a", "a:2"}, true, "http://a:1", "its address has no TLS"},
		"what only begins like it": {[]string{"httpsx://a:1"}, true, "httpsx://a:1", "its address has no TLS"},
	} {
		if url, why := address(tt.urls, tt.secure); url != tt.url || why != tt.why {
			t.Errorf("%s: %q, %q", name, url, why)
		}
	}
}
