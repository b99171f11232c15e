// Command judge asks Google's libraries for confidential-VM evidence, as Debian packages them, for their verdicts.
//
// It reads cases from standard input, one JSON object a line, and answers each on file descriptor 3 with one line, in order:
//
//	{"ok":true} or {"ok":false,"error":"…"}
//
// Standard output belongs to one of the libraries, which sends its log there.
//
// A case with "repeat" is judged that many times after a tenth as many to warm up; the answer then carries "nanoseconds", processor
// time a time over all threads of this process. Nothing is fetched: what a case does not carry does not exist.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	sevabi "github.com/google/go-sev-guest/abi"
	spb "github.com/google/go-sev-guest/proto/sevsnp"
	sevverify "github.com/google/go-sev-guest/verify"
	sevtrust "github.com/google/go-sev-guest/verify/trust"
	tdxverify "github.com/google/go-tdx-guest/verify"
)

// testCase is one case. Bytes are base64, as encoding/json has it.
type testCase struct {
	Kind string `json:"kind"` // snp, snp-signature, snp-parse, tdx, tdx-signatures
	At   int64  `json:"at"`   // seconds since 1970

	Report []byte `json:"report"`
	Leaf   []byte `json:"leaf"` // VCEK or VLEK
	Vlek   bool   `json:"vlek"`
	Ask    []byte `json:"ask"` // ASK or ASVK
	Ark    []byte `json:"ark"`
	Crl    []byte `json:"crl"`
	// Pins are SHA-256 of the roots' public keys. The library takes any root that an attestation brings along when its caller names
	// none, and drops what the attestation brings when its caller names some: so the pin is looked at here.
	Pins []string `json:"pins"`

	Quote           []byte `json:"quote"`
	TcbInfo         string `json:"tcbInfo"`
	TcbInfoChain    string `json:"tcbInfoChain"`
	QeIdentity      string `json:"qeIdentity"`
	QeIdentityChain string `json:"qeIdentityChain"`
	PckCrl          []byte `json:"pckCrl"`
	PckCrlChain     string `json:"pckCrlChain"`
	RootCrl         []byte `json:"rootCrl"`

	Repeat int `json:"repeat"`
}

type answer struct {
	Ok          bool   `json:"ok"`
	Error       string `json:"error,omitempty"`
	Nanoseconds int64  `json:"nanoseconds,omitempty"`
}

// crlGetter hands out a case's revocation list, whatever its address.
type crlGetter struct{ crl []byte }

func (g crlGetter) Get(string) ([]byte, error) {
	if len(g.crl) == 0 {
		return nil, fmt.Errorf("the case carries no list")
	}
	return g.crl, nil
}

// collateralGetter hands out a case's collateral as Intel's service would.
type collateralGetter struct{ c *testCase }

func (g collateralGetter) Get(address string) (map[string][]string, []byte, error) {
	header := func(name, chain string) map[string][]string {
		return map[string][]string{name: {url.QueryEscape(strings.TrimRight(chain, "\x00\n") + "\n")}}
	}
	switch {
	case strings.Contains(address, "/qe/identity"):
		return header("Sgx-Enclave-Identity-Issuer-Chain", g.c.QeIdentityChain), []byte(g.c.QeIdentity), nil
	case strings.Contains(address, "/tcb?"):
		return header("Tcb-Info-Issuer-Chain", g.c.TcbInfoChain), []byte(g.c.TcbInfo), nil
	case strings.Contains(address, "/pckcrl?"):
		return header("Sgx-Pck-Crl-Issuer-Chain", g.c.PckCrlChain), g.c.PckCrl, nil
	default:
		return nil, g.c.RootCrl, nil
	}
}

func judge(c *testCase) error {
	now := time.Unix(c.At, 0)
	switch c.Kind {
	case "snp":
		report, err := sevabi.ReportToProto(c.Report)
		if err != nil {
			return err
		}
		root, err := sevtrust.ParseCert(c.Ark)
		if err != nil {
			return err
		}
		pin := sha256.Sum256(root.RawSubjectPublicKeyInfo)
		if !slices.Contains(c.Pins, hex.EncodeToString(pin[:])) {
			return fmt.Errorf("root %s is not pinned", root.Subject.CommonName)
		}
		chain := &spb.CertificateChain{AskCert: c.Ask, ArkCert: c.Ark}
		if c.Vlek {
			chain.VlekCert = c.Leaf
		} else {
			chain.VcekCert = c.Leaf
		}
		options := &sevverify.Options{DisableCertFetching: true, Now: now}
		if len(c.Crl) > 0 {
			options.CheckRevocations = true
			options.Getter = crlGetter{c.Crl}
		}
		return sevverify.SnpAttestation(&spb.Attestation{Report: report, CertificateChain: chain}, options)
	case "snp-parse":
		_, err := sevabi.ReportToProto(c.Report)
		return err
	case "tdx", "tdx-signatures":
		options := &tdxverify.Options{Now: now, Getter: collateralGetter{c}}
		options.GetCollateral = c.Kind == "tdx"
		options.CheckRevocations = c.Kind == "tdx"
		return tdxverify.RawTdxQuote(c.Quote, options)
	}
	return fmt.Errorf("kind %q is not known", c.Kind)
}

// prepare returns what is measured: for snp-signature the certificate is read once, before.
func prepare(c *testCase) func() error {
	if c.Kind != "snp-signature" {
		return func() error { return judge(c) }
	}
	leaf, err := sevtrust.ParseCert(c.Leaf)
	return func() error {
		if err != nil {
			return err
		}
		return sevverify.SnpReportSignature(c.Report, leaf)
	}
}

func processorTime() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func answerTo(c *testCase) (result answer) {
	defer func() {
		if broken := recover(); broken != nil {
			result = answer{Error: fmt.Sprintf("panic: %v", broken)}
		}
	}()
	ask := prepare(c)
	err := ask()
	if c.Repeat > 0 {
		for range c.Repeat / 10 {
			_ = ask()
		}
		start := processorTime()
		for range c.Repeat {
			_ = ask()
		}
		result.Nanoseconds = (processorTime() - start) / int64(c.Repeat)
	}
	result.Ok = err == nil
	if err != nil {
		result.Error = err.Error()
		if len(result.Error) > 300 {
			result.Error = result.Error[:300]
		}
	}
	return result
}

func main() {
	reader := bufio.NewReaderSize(os.Stdin, 1<<20)
	writer := bufio.NewWriter(os.NewFile(3, "answers"))
	defer writer.Flush()
	encoder := json.NewEncoder(writer)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 1 {
			var c testCase
			if bad := json.Unmarshal(line, &c); bad != nil {
				fmt.Fprintln(os.Stderr, "judge: a case is not JSON:", bad)
				os.Exit(2)
			}
			if bad := encoder.Encode(answerTo(&c)); bad != nil {
				os.Exit(1)
			}
			if reader.Buffered() == 0 {
				writer.Flush()
			}
		}
		if err != nil {
			return
		}
	}
}
