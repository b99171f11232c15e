import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AzShell, azIsInstalled, type Outcome } from './support/az.ts'
import { writeCompatibility } from './support/compatibility.ts'

const storage = '--storage-resource-uri https://backup.strongroom.internal/drill --storage-container-SAS-token x'
const holders = ['h1', 'h2', 'h3']

interface Step {
  section: string
  /** `{name}` is replaced by a value that an earlier step kept. */
  line: string
  /** A text of the refusal; absent if the command must succeed. */
  refused?: string
  look?: (body: Outcome['body']) => void
}

/** Values of earlier answers for later steps. */
const kept: Record<string, string> = {}
const keep =
  (name: string) =>
  (value: unknown): void => {
    expect(value).toBeTruthy()
    kept[name] = String(value)
  }

const steps: Step[] = [
  {
    section: 'A pool',
    line: 'keyvault create --hsm-name pool -g rg -l westeurope --administrators {me} --retention-days 7',
    look: ({ properties }) => expect(properties.hsmUri).toBe('https://pool.managedhsm.strongroom.internal/'),
  },
  {
    section: 'A pool',
    line:
      'keyvault role assignment create --hsm-name pool --role "Managed HSM Crypto User" --assignee-object-id {me} ' +
      '--assignee-principal-type ServicePrincipal --scope /keys',
  },
  {
    section: 'A pool',
    line: 'keyvault key create --hsm-name pool --name early --kty oct-HSM --size 256',
    refused: 'is not activated',
  },
  {
    section: 'A pool',
    line:
      'keyvault security-domain download --hsm-name pool --sd-wrapping-keys h1.cer h2.cer h3.cer --sd-quorum 2 ' +
      '--security-domain-file pool.json',
    look: ({ status }) => expect(status).toBe('Success'),
  },
  {
    section: 'A pool',
    line: 'keyvault show --hsm-name pool --query properties.securityDomainProperties.activationStatus',
    look: (status) => expect(status).toBe('Active'),
  },
  { section: 'Keys', line: 'keyvault key create --hsm-name pool --name seal --kty oct-HSM --size 256' },
  {
    section: 'Keys',
    line: 'keyvault key create --hsm-name pool --name sign --kty EC-HSM --curve P-256 --query key.x',
    look: keep('x'),
  },
  { section: 'Keys', line: 'keyvault key list --hsm-name pool', look: (found) => expect(found).toHaveLength(2) },
  { section: 'Keys', line: 'keyvault key get-attestation --hsm-name pool --name sign --file sign.attestation' },
  {
    section: 'Keys',
    line: 'keyvault key encrypt --hsm-name pool --name seal --algorithm A256GCM --value c2VjcmV0 --data-type base64',
  },
  { section: 'Keys', line: 'keyvault key rotate --hsm-name pool --name sign --query key.x', look: keep('rotated') },
  {
    section: 'Settings',
    line: 'keyvault setting list --hsm-name pool --query [].value',
    look: (values) => expect(values).toEqual(['false']),
  },
  {
    section: 'Settings',
    line: 'keyvault setting update --hsm-name pool --name AllowKeyManagementOperationsThroughARM --value false',
  },
  {
    section: 'Settings',
    line: 'keyvault setting update --hsm-name pool --name AllowKeyManagementOperationsThroughARM --value true',
    refused: 'cannot be managed through the resource manager',
  },
  {
    section: 'Roles',
    line: 'keyvault role definition list --hsm-name pool --query [].roleName',
    look: (names) => expect(names).toContain('Managed HSM Crypto Service Release User'),
  },
  { section: 'Roles', line: 'keyvault key delete --hsm-name pool --name seal' },
  { section: 'Roles', line: 'keyvault key purge --hsm-name pool --name seal', refused: 'does not have the permission' },
  {
    section: 'Roles',
    line:
      'keyvault role assignment create --hsm-name pool --role "Managed HSM Crypto Officer" --assignee-object-id ' +
      '{me} --assignee-principal-type ServicePrincipal --scope /',
  },
  { section: 'Roles', line: 'keyvault key purge --hsm-name pool --name seal' },
  {
    section: 'Restore drill',
    line: `keyvault backup start --hsm-name pool ${storage} --query folderUrl`,
    look: (url: string) => keep('folder')(url.split('/').at(-1)),
  },
  {
    section: 'Restore drill',
    line: 'keyvault create --hsm-name pool2 -g rg -l westeurope --administrators {me} --retention-days 7',
  },
  {
    section: 'Restore drill',
    line: `keyvault restore start --hsm-name pool2 ${storage} --backup-folder {folder}`,
    refused: 'is not activated',
  },
  {
    section: 'Restore drill',
    line: 'keyvault security-domain init-recovery --hsm-name pool2 --sd-exchange-key exchange.pem',
  },
  {
    section: 'Restore drill',
    line:
      'keyvault security-domain upload --hsm-name pool2 --sd-file pool.json --sd-exchange-key exchange.pem ' +
      '--sd-wrapping-keys h1.pem h3.pem',
    look: ({ status }) => expect(status).toBe('Success'),
  },
  { section: 'Restore drill', line: `keyvault restore start --hsm-name pool2 ${storage} --backup-folder {folder}` },
  {
    section: 'Restore drill',
    line: 'keyvault key show --hsm-name pool2 --name sign --query key.x',
    look: (x) => expect(x).toBe(kept['rotated']),
  },
  {
    section: 'Restore drill',
    line: 'keyvault role assignment delete --hsm-name pool2 --role "Managed HSM Crypto User" --assignee-object-id {me} --scope /keys',
  },
  {
    section: 'Restore drill',
    line: 'keyvault key show --hsm-name pool2 --name sign',
    refused: 'does not have the permission',
  },
  { section: 'End', line: 'keyvault delete --hsm-name pool2' },
  {
    section: 'End',
    line: 'keyvault list-deleted --resource-type hsm --query [].name',
    look: (names) => expect(names).toEqual(['pool2']),
  },
  { section: 'End', line: 'keyvault recover --hsm-name pool2 -g rg -l westeurope' },
  { section: 'End', line: 'keyvault delete --hsm-name pool2' },
  { section: 'End', line: 'keyvault purge --hsm-name pool2 -l westeurope' },
  {
    section: 'End',
    line: 'keyvault list-deleted --resource-type hsm',
    look: (found) => expect(found).toEqual([]),
  },
]

describe.skipIf(!azIsInstalled)('az keyvault for managed HSMs, unmodified', { timeout: 60_000 }, () => {
  let shell: AzShell
  beforeAll(async () => {
    shell = await AzShell.open()
    const signedIn = await shell.shell('eval "$(strongroom env --login)"')
    expect(signedIn.code, signedIn.stderr).toBe(0)
    await shell.az('group create -n rg -l westeurope')
    const { body } = await shell.az('account get-access-token --query accessToken')
    const claims = JSON.parse(Buffer.from((body as string).split('.')[1]!, 'base64url').toString()) as { oid: string }
    kept['me'] = claims.oid
    for (const holder of holders) {
      const subject = `-subj /CN=${holder} -keyout ${holder}.pem -out ${holder}.cer`
      const made = await shell.shell(`openssl req -newkey rsa:2048 -nodes -x509 -days 2 ${subject}`)
      expect(made.code, made.stderr).toBe(0)
    }
  }, 240_000)
  afterAll(async () => {
    if (shell.rows.length === steps.length) {
      await writeCompatibility(
        'az-managed-hsm',
        "`az keyvault` for managed HSMs, of Debian's azure-cli 2.74",
        shell.rows,
      )
    }
    await shell.close()
  }, 60_000)

  for (const { section, line, refused, look } of steps) {
    it(`az ${line}${refused === undefined ? '' : ` is refused: ${refused}`}`, async () => {
      const outcome = await shell.az(line.replaceAll(/\{(\w+)\}/g, (whole, name: string) => kept[name] ?? whole))
      if (refused === undefined) expect(outcome.code, outcome.stderr).toBe(0)
      else {
        expect(outcome.code).not.toBe(0)
        expect(outcome.stderr).toContain(refused)
      }
      look?.(outcome.body)
      shell.rows.push({ section, call: `az ${line}`, result: refused === undefined ? 'works' : `refused: ${refused}` })
    })
  }

  it('keyvault key get-attestation leaves what strongroom vault key verify reads, and refuses as software', async () => {
    const verify = (more: string): Promise<Outcome> =>
      shell.shell(`strongroom vault key verify sign.attestation${more}`)
    const refusal = await verify('')
    expect([refusal.code, refusal.stdout]).toEqual([1, expect.stringContaining('expected pkcs11, found software')])
    expect((await verify(' --allow-software')).code).toBe(0)
  })
})
