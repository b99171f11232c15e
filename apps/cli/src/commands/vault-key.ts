import { join } from 'node:path'
import { CliError } from '../core/cli-error.ts'
import { textOption, type Command } from '../core/command.ts'
import { refused } from '../evidence/exit.ts'
import { readAuthority, readBytes, readJson } from '../evidence/files.ts'
import { describeKeystore, readAttestedKey, shortcomings } from '../vault/attested-key.ts'

const verify: Command = {
  words: ['vault', 'key', 'verify'],
  args: ['<attestation>'],
  summary:
    'verify offline a key service’s statement about a key: who signed it, what holds the key, and whether it can ' +
    'leave; exit 0 kept in a token, 1 not, 2 unreadable',
  options: [
    { flags: '--ca <file>', summary: "the installation's ca.pem (default: of the local state)" },
    { flags: '--key <file>', summary: 'the key it must be about, as printed by az keyvault key show -o json' },
    { flags: '--allow-software', summary: 'accept a key kept in software' },
    { flags: '--allow-imported', summary: 'accept a key imported into the token' },
  ],
  examples: [
    'az keyvault key get-attestation --hsm-name pool -n disk -f disk.json && strongroom vault key verify disk.json',
    'strongroom vault key verify disk.json --ca ca.pem --key key.json --output json',
  ],
  run: async (context) => {
    const path = context.args[0]!
    const roots = await readAuthority(textOption(context, 'ca') ?? join(context.paths.state, 'ca.pem'))
    const content = new TextDecoder().decode(await readBytes(path))
    const { statement, signer } = await readAttestedKey(content, { roots, at: new Date() })
    const keyFile = textOption(context, 'key')
    const key = keyFile === undefined ? undefined : await readKey(keyFile)
    const lacking = shortcomings(statement, {
      allowSoftware: context.options['allowSoftware'] === true,
      allowImported: context.options['allowImported'] === true,
      ...(key && { key }),
    })
    if (lacking.length > 0) process.exitCode = refused
    return {
      data: { accepted: lacking.length === 0, signer, lacking, statement },
      lines: [
        `${lacking.length === 0 ? 'Accepted' : 'Refused'}: ${statement.key.kid}`,
        `signed by:   ${signer}, ${new Date(statement.iat * 1000).toISOString()}`,
        `key:         ${statement.key.kty}${statement.key.crv === undefined ? '' : ` ${statement.key.crv}`}, ` +
          `${statement.key.key_ops.join(' ')}`,
        `leaves:      ${statement.exportable ? `released under the policy with SHA-256 ${statement.releasePolicySha256}` : 'never'}`,
        ...describeKeystore(statement.keystore),
        ...lacking.map(({ claim, expected, found }) => `✗ ${claim}: expected ${expected}, found ${found}`),
      ],
    }
  },
}

async function readKey(path: string): Promise<Record<string, unknown>> {
  const value = (await readJson(path, 'a key as az prints it')) as Record<string, unknown>
  const key = value['key'] ?? value
  if (typeof key === 'object' && key !== null && 'kid' in key) return key as Record<string, unknown>
  throw new CliError({
    code: 'InvalidArgument',
    message: `${path} does not contain a key.`,
    exitCode: 2,
    expected: 'a key with kid, as printed by az keyvault key show',
    found: 'something else',
    remedy: 'az keyvault key show --vault-name NAME -n KEY -o json > key.json',
  })
}

export const vaultKeyCommands: Command[] = [verify]
