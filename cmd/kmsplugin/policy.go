package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/kmsplugin"
	"github.com/sealproof/sealproof/vaultbackend"
)

func newPolicy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Print the least Vault policy that this configuration needs",
		Long: `Print the Vault policy (HCL) that the plugin needs with this configuration, and
nothing more. Each line says what fails without it. The command does not contact
Vault, and reads no file but the configuration.

Give the role this policy and no other (for AppRole token_policies, and
token_no_default_policy=true where Vault's own "default" policy is not wanted).
If sections of the configuration log in differently, one policy is printed for each
login.`,
		Example: `  kmsplugin policy --config /etc/kmsplugin/config.yaml | vault policy write kmsplugin -
  kmsplugin policy --config /etc/kmsplugin/config.yaml --envelope vault`,
		Args: cobra.NoArgs,
	}
	load := addConfigFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		return printPolicies(cmd.OutOrStdout(), c)
	}
	return cmd
}

// uses says what the plugin does with the keys of the configuration.
func (c config) uses() ([]vaultbackend.Use, error) {
	uses := []vaultbackend.Use{
		{Section: "vault", Config: c.Vault, Seals: true, Derives: c.Envelope == kmsplugin.EnvelopeLocal},
	}
	for i := range c.Previous {
		previous, err := c.previous(i)
		if err != nil {
			return nil, err
		}
		uses = append(uses, vaultbackend.Use{Section: previousName(i), Config: previous})
	}
	return uses, nil
}

func printPolicies(w io.Writer, c config) error {
	uses, err := c.uses()
	if err != nil {
		return err
	}
	policies, err := vaultbackend.Policies(uses...)
	if err != nil {
		return cli.Usage(err)
	}
	for i, p := range policies {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if _, err := io.WriteString(w, p.HCL()); err != nil {
			return fmt.Errorf("print policy: %w", err)
		}
	}
	return nil
}
