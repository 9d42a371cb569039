package report

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"google.golang.org/protobuf/types/known/timestamppb"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// CycloneDX writes the cryptography that was found as a CycloneDX 1.6 list of cryptographic
// assets (CBOM): certificates, keys, the versions of TLS of each address with their suites and
// groups, and the algorithms that values are stored with. Each algorithm has NIST's quantum
// security level, where it is known; 0 is what a quantum computer breaks.
func CycloneDX(w io.Writer, r *auditv1.Report) error {
	b := assets{all: []cdx.Component{}, seen: map[string]bool{}}
	for _, c := range r.Certificates {
		b.certificate(c)
	}
	for _, k := range r.PrivateKeys {
		b.privateKey(k)
	}
	for _, l := range r.Listeners {
		b.listener(l)
	}
	for _, s := range r.Scopes {
		for _, res := range s.Resources {
			for _, g := range res.Groups {
				if g.Protection == auditv1.Protection_PROTECTION_ENCRYPTED {
					b.atRest(g)
				}
			}
		}
	}
	bom := cdx.NewBOM()
	// The library's own way to an older version copies by gob, which drops a level of 0. Only
	// fields of 1.6 are used here.
	bom.SpecVersion, bom.JSONSchema = cdx.SpecVersion1_6, "http://cyclonedx.org/schema/bom-1.6.schema.json"
	bom.Metadata = &cdx.Metadata{
		Tools: &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: r.GetTool().GetName(), Version: r.GetTool().GetVersion()}}},
	}
	if t := madeAt(r); !t.IsZero() {
		bom.Metadata.Timestamp = t.UTC().Format(time.RFC3339)
	}
	bom.Components = &b.all
	return cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
}

// assets are components, each once.
type assets struct {
	all  []cdx.Component
	seen map[string]bool
}

// add returns the reference of a component, which is listed if that is its first use.
func (b *assets) add(ref, name string, p cdx.CryptoProperties, places []string, properties ...cdx.Property) string {
	if b.seen[ref] {
		return ref
	}
	b.seen[ref] = true
	c := cdx.Component{Type: cdx.ComponentTypeCryptographicAsset, BOMRef: ref, Name: name, CryptoProperties: &p}
	if len(places) > 0 {
		at := []cdx.EvidenceOccurrence{}
		for _, place := range places {
			at = append(at, cdx.EvidenceOccurrence{Location: place})
		}
		c.Evidence = &cdx.Evidence{Occurrences: &at}
	}
	if len(properties) > 0 {
		c.Properties = &properties
	}
	b.all = append(b.all, c)
	return ref
}

// algorithm lists an algorithm by its name.
func (b *assets) algorithm(name string, primitive cdx.CryptoPrimitive, q quantum) string {
	p := &cdx.CryptoAlgorithmProperties{Primitive: primitive}
	if q.known {
		p.NistQuantumSecurityLevel = &q.level
	}
	return b.add("algorithm:"+name, name, cdx.CryptoProperties{AssetType: cdx.CryptoAssetTypeAlgorithm, AlgorithmProperties: p}, nil)
}

// cipher lists the algorithm that values are stored with.
func (b *assets) cipher(rest atRest) string {
	primitive := cdx.CryptoPrimitiveAE
	if rest.block {
		primitive = cdx.CryptoPrimitiveBlockCipher
	}
	return b.algorithm(rest.algorithm, primitive, rest.quantum)
}

func (b *assets) certificate(c *auditv1.Certificate) {
	key := b.algorithm(c.PublicKey, primitiveOf(c.PublicKey), quantumOf(c.PublicKey))
	subject := cmp.Or(c.Subject, strings.Join(c.Names, ", "), c.Fingerprint)
	properties := &cdx.CertificateProperties{
		SubjectName: c.Subject, IssuerName: c.Issuer, NotValidBefore: instant(c.NotBefore), NotValidAfter: instant(c.NotAfter), CertificateFormat: "X.509",
		SignatureAlgorithmRef: cdx.BOMReference(b.algorithm(c.SignatureAlgorithm, cdx.CryptoPrimitiveSignature, quantumOf(c.SignatureAlgorithm))),
		SubjectPublicKeyRef: cdx.BOMReference(b.add("public-key:"+c.Fingerprint, "public key of "+subject, cdx.CryptoProperties{
			AssetType:                       cdx.CryptoAssetTypeRelatedCryptoMaterial,
			RelatedCryptoMaterialProperties: &cdx.RelatedCryptoMaterialProperties{Type: cdx.RelatedCryptoMaterialTypePublicKey, AlgorithmRef: cdx.BOMReference(key)},
		}, nil)),
	}
	var extra []cdx.Property
	for _, p := range []struct {
		name string
		set  bool
	}{{"authority", c.Authority}, {"has-key", c.HasKey}} {
		extra = append(extra, cdx.Property{Name: "sealproof:" + p.name, Value: strconv.FormatBool(p.set)})
	}
	extra = append(extra, cdx.Property{Name: "sealproof:fingerprint", Value: c.Fingerprint}, cdx.Property{Name: "sealproof:serial", Value: c.Serial})
	b.add("certificate:"+c.Fingerprint, subject, cdx.CryptoProperties{
		AssetType: cdx.CryptoAssetTypeCertificate, CertificateProperties: properties,
	}, distinct(c.ServedAt, c.OnDisk, c.TrustedIn), extra...)
}

func (b *assets) privateKey(k *auditv1.PrivateKey) {
	p := &cdx.RelatedCryptoMaterialProperties{Type: cdx.RelatedCryptoMaterialTypePrivateKey, ID: k.Hmac}
	if key, ok := secretOf(k.Kind); ok {
		p.Type, p.AlgorithmRef = cdx.RelatedCryptoMaterialTypeSecretKey, cdx.BOMReference(b.cipher(key))
	} else if k.Kind != "" {
		p.AlgorithmRef = cdx.BOMReference(b.algorithm(k.Kind, primitiveOf(k.Kind), quantumOf(k.Kind)))
	}
	if k.Encrypted {
		p.SecuredBy = &cdx.SecuredBy{Mechanism: "passphrase"}
	}
	var extra []cdx.Property
	for _, one := range []cdx.Property{{Name: "node", Value: k.Node}, {Name: "mode", Value: k.Mode}, {Name: "weakness", Value: k.Weakness}, {Name: "fingerprint-key", Value: k.FingerprintKey}} {
		if one.Value != "" {
			extra = append(extra, cdx.Property{Name: "sealproof:" + one.Name, Value: one.Value})
		}
	}
	b.add(fmt.Sprintf("private-key:%s:%s:%s", k.Node, k.File, k.Hmac), "key in "+k.File, cdx.CryptoProperties{
		AssetType: cdx.CryptoAssetTypeRelatedCryptoMaterial, RelatedCryptoMaterialProperties: p,
	}, []string{k.File}, extra...)
}

func (b *assets) listener(l *auditv1.Listener) {
	groups := []cdx.BOMReference{}
	for _, g := range l.Groups {
		primitive := cdx.CryptoPrimitiveKeyAgree
		if quantumOf(g).level > 0 {
			primitive = cdx.CryptoPrimitiveKEM
		}
		groups = append(groups, cdx.BOMReference(b.algorithm(g, primitive, quantumOf(g))))
	}
	readiness, by := offered(l)
	ref := "protocol:" + l.Purpose + ":" + l.Url + ":"
	extra := []cdx.Property{
		{Name: "sealproof:purpose", Value: l.Purpose},
		{Name: "sealproof:post-quantum-key-exchange", Value: strings.TrimSpace(readiness + " " + strings.Join(by, " "))},
		{Name: "sealproof:enumerated", Value: strconv.FormatBool(l.Enumerated)},
	}
	if l.Node != "" { // each node has the same loopback address
		ref, extra = l.Node+":"+ref, append(extra, cdx.Property{Name: "sealproof:node", Value: l.Node})
	}
	for _, version := range l.TlsVersions {
		suites := []cdx.CipherSuite{}
		for _, s := range suitesOf(l, version) {
			suites = append(suites, cdx.CipherSuite{Name: s, Identifiers: identifiers(s)})
		}
		p := &cdx.CryptoProtocolProperties{Type: cdx.CryptoProtocolTypeTLS, Version: strings.TrimPrefix(version, "TLS "), CipherSuites: &suites}
		if len(groups) > 0 {
			p.CryptoRefArray = &groups
		}
		b.add(ref+version, version, cdx.CryptoProperties{AssetType: cdx.CryptoAssetTypeProtocol, ProtocolProperties: p}, []string{l.Url}, extra...)
	}
}

func (b *assets) atRest(g *auditv1.Group) {
	algorithm := b.cipher(atRestOf(g.Format))
	b.add(fmt.Sprintf("key-at-rest:%s:%s:%s", g.Format, g.Name, g.KeyId), strings.TrimSpace(g.Format+" "+g.Name), cdx.CryptoProperties{
		AssetType: cdx.CryptoAssetTypeRelatedCryptoMaterial,
		RelatedCryptoMaterialProperties: &cdx.RelatedCryptoMaterialProperties{
			Type: cdx.RelatedCryptoMaterialTypeSecretKey, ID: g.KeyId, AlgorithmRef: cdx.BOMReference(algorithm),
		},
	}, nil)
}

// primitiveOf is what a key pair is for in TLS; no kind of a key pair encrypts values.
func primitiveOf(kind string) cdx.CryptoPrimitive {
	if quantumOf(kind).known {
		return cdx.CryptoPrimitiveSignature
	}
	return cdx.CryptoPrimitiveUnknown
}

// identifiers are the two bytes that stand for a suite in TLS, where Go knows them.
func identifiers(suite string) *[]string {
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if s.Name == suite {
			return &[]string{fmt.Sprintf("0x%02X", s.ID>>8), fmt.Sprintf("0x%02X", s.ID&0xff)}
		}
	}
	return nil
}

func instant(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Format(time.RFC3339)
}
