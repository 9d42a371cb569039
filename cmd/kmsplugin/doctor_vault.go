package main

import (
	"github.com/sealproof/sealproof/kmsplugin/doctor"
	"github.com/sealproof/sealproof/vaultbackend"
)

// vaultFacts is what doctor may look at of what was found in Vault.
func vaultFacts(f vaultbackend.Facts) doctor.Vault {
	v := doctor.Vault{
		Section: f.Section, KeyPath: f.KeyPath, Login: doctor.Login(f.Login), CapabilitiesErr: f.CapabilitiesErr,
		Key: doctor.Key(f.Key), Audit: doctor.Audit(f.Audit),
	}
	for _, a := range f.Addresses {
		address := doctor.Address{
			URL: a.URL, Host: a.Host, ResolveErr: a.ResolveErr, IPs: a.IPs, Canonical: a.Canonical, ConnectErr: a.ConnectErr,
			Plain: a.Plain, TLSErr: a.TLSErr, TLSVersion: a.TLSVersion, HealthErr: a.HealthErr, Version: a.Version,
			Initialised: a.Initialised, Sealed: a.Sealed, Standby: a.Standby, Ahead: a.Ahead, ClockKnown: a.ClockKnown,
		}
		for _, c := range a.Chain {
			address.Chain = append(address.Chain, doctor.Certificate(c))
		}
		v.Addresses = append(v.Addresses, address)
	}
	for _, c := range f.Needed {
		v.Needed = append(v.Needed, doctor.Capability(c))
	}
	for _, c := range f.TooMuch {
		v.TooMuch = append(v.TooMuch, doctor.Capability(c))
	}
	for _, t := range f.Trials {
		v.Trials = append(v.Trials, doctor.Trial(t))
	}
	return v
}

// vaultFiles are the files that one section of the configuration names.
func vaultFiles(use vaultbackend.Use) (files []doctor.File) {
	for _, f := range use.Config.Files() {
		files = append(files, doctor.File{Key: use.Section + "." + f.Key, Name: f.Name, Secret: f.Secret, Later: f.Later})
	}
	return files
}
