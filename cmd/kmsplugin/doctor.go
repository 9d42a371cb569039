package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
	"github.com/sealproof/sealproof/internal/vaultfacts"
	"github.com/sealproof/sealproof/kmsplugin"
	"github.com/sealproof/sealproof/kmsplugin/doctor"
	"github.com/sealproof/sealproof/vaultbackend"
)

// doctorOptions are doctor's own settings, in addition to the plugin's configuration.
type doctorOptions struct {
	configFile       string
	encryptionConfig string
	adminTokenFile   string
}

func newDoctor() *cobra.Command {
	var output string
	var opts doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what is wrong with this node, its configuration and Vault, and say what to do",
		Long: `Check the configuration, the socket, the credential files, every address of Vault,
the login, the rights that Vault grants and those that it should not, the key's
properties, the clocks, whether Vault depends on this cluster, and the API server's
EncryptionConfiguration. Each check says what was found. A check that did not pass
also says why that matters and what to do.

Run it on the node, as root or as the plugin's user, with the plugin's
configuration, before the plugin starts or while it runs. It changes nothing. It
logs in to Vault as the plugin does, which uses a secret-id with a limited number of
uses once.

Exit status: 0 if no check failed, 1 if one did, 2 if none failed but one could not
be made, 3 if the command was called or configured wrongly. Checks that the plugin's
rights do not allow by design (Vault's audit devices, and the token's capabilities
where sys/capabilities-self is denied) and files that were not named do not count.`,
		Example: `  kmsplugin doctor --config /etc/kmsplugin/config.yaml
  kmsplugin doctor --config /etc/kmsplugin/config.yaml -o json \
    --encryption-provider-config /etc/kubernetes/encryption.yaml --admin-token-file ~/.vault-token`,
		Args: cobra.NoArgs,
	}
	load := addConfigFlags(cmd)
	addOutput(cmd, &output)
	cmd.Flags().StringVar(&opts.encryptionConfig, "encryption-provider-config", "", "the API server's EncryptionConfiguration, to check it as well")
	cmd.Flags().StringVar(&opts.adminTokenFile, "admin-token-file", "", "file with a Vault token that may read the audit devices and the auth method's configuration, which the plugin may not")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkOutput(output); err != nil {
			return err
		}
		c, err := load()
		if err != nil {
			return err
		}
		opts.configFile = cmd.Flag("config").Value.String()
		uses, err := c.uses()
		if err != nil {
			return err
		}
		facts := gatherNode(cmd.Context(), c, uses, opts)
		facts.Vaults = make([]vaultfacts.Vault, len(uses))
		var gathering sync.WaitGroup
		for i, use := range uses {
			gathering.Go(func() {
				facts.Vaults[i] = vaultbackend.Inspect(cmd.Context(), vaultbackend.Inspection{
					Use: use, AdminTokenFile: opts.adminTokenFile, Boot: kmsplugin.SinceBoot,
				})
			})
		}
		gathering.Wait()
		facts.Now = time.Now()
		return printResults(cmd.OutOrStdout(), doctor.Examine(facts), output)
	}
	return cmd
}

func printResults(w io.Writer, results []doctor.Result, output string) error {
	var err error
	if output == "json" {
		err = doctor.JSON(w, results)
	} else {
		err = doctor.Table(w, results, outcomePaint(term.ColoursFor(w, os.Getenv)))
	}
	if err != nil {
		return fmt.Errorf("print results: %w", err)
	}
	if status := doctor.ExitStatus(results); status != 0 {
		return cli.Exit(status, nil)
	}
	return nil
}

func outcomePaint(c term.Colours) doctor.Paint {
	return func(o check.Status, word string) string {
		switch o {
		case check.Pass:
			return c.Good(word)
		case check.Fail:
			return c.Bad(word)
		default:
			return c.Warn(word)
		}
	}
}
