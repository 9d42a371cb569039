package client

import "testing"

func TestWhichAddressesCarryAToken(t *testing.T) {
	for address, good := range map[string]bool{
		"https://vault:8200": true, "https://10.0.0.1": true, "http://localhost:8100": true, "http://[::1]:8100": true, "http://127.9.9.9": true,
		"http://10.0.0.1:8100": false, "http://localhost.example.com": false, "http://0.0.0.0:8100": false,
		"https://vault#x": false, "https://vault?x": false, "https://:8200": false, "vault": false, "https://vault:port": false,
	} {
		if err := checkAddress(address); (err == nil) != good {
			t.Errorf("%s: %v", address, err)
		}
	}
}
