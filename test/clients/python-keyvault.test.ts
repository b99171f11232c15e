import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AzShell, azIsInstalled } from './support/az.ts'
import { writeCompatibility, type Row } from './support/compatibility.ts'

/** One result line of the calls program: a call, with its result or error. */
interface Line extends Row {
  error?: string
}

/** From Debian's azure-cli. */
const python = '/usr/bin/python3'
const installed =
  azIsInstalled && existsSync(python) && existsSync('/usr/lib/python3/dist-packages/azure/keyvault/administration')
const roles = ['Managed HSM Crypto User', 'Managed HSM Crypto Officer']

let shell: AzShell
const lines: Line[] = []

describe.skipIf(!installed)("Azure's Key Vault SDKs for Python, unmodified", () => {
  beforeAll(async () => {
    shell = await AzShell.open()
    const must = async (line: string): Promise<void> => {
      const outcome = await shell.shell(line.replaceAll('$SUB', `/subscriptions/${shell.subscription}`))
      expect(outcome.code, `${line}: ${outcome.stderr}`).toBe(0)
    }
    await must('eval "$(strongroom env --login)"')
    const { body } = await shell.az('account get-access-token --query accessToken')
    const { oid } = JSON.parse(Buffer.from((body as string).split('.')[1]!, 'base64url').toString()) as { oid: string }
    const assignee = `--assignee-object-id ${oid} --assignee-principal-type ServicePrincipal`
    await must('az group create -n rg -l westeurope')
    await must('az keyvault create -n pykv -g rg -l westeurope --sku premium')
    await must(
      `az role assignment create ${assignee} --role "Key Vault Administrator" --scope ` +
        '$SUB/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/pykv',
    )
    await must(`az keyvault create --hsm-name pypool -g rg -l westeurope --administrators ${oid} --retention-days 7`)
    for (const role of roles)
      await must(`az keyvault role assignment create --hsm-name pypool --role "${role}" ${assignee} --scope /`)
    for (const holder of ['h1', 'h2', 'h3'])
      await must(
        `openssl req -newkey rsa:2048 -nodes -x509 -days 2 -subj /CN=${holder} -keyout ${holder}.pem -out ${holder}.cer`,
      )
    await must(
      'az keyvault security-domain download --hsm-name pypool --sd-wrapping-keys h1.cer h2.cer h3.cer --sd-quorum ' +
        '2 --security-domain-file pool.json',
    )
    const config = shell.environment['AZURE_CONFIG_DIR']!
    const run = await shell.shell(`${python} ${resolve(import.meta.dirname, 'support/keyvault_calls.py')}`, {
      AZURE_CLIENT_CERTIFICATE_PATH: join(config, 'login.pem'),
      CLIENT_ID: readFileSync(join(config, 'login.client-id'), 'utf8').trim(),
    })
    const printed = run.stdout.split('\n').filter((line) => line.startsWith('{'))
    lines.push(...printed.map((line) => JSON.parse(line) as Line))
    expect(run.code, run.stderr).toBe(0)
  }, 300_000)

  afterAll(async () => {
    if (lines.length > 0 && lines.every(({ error }) => error === undefined))
      await writeCompatibility('python-keyvault', 'The Key Vault SDKs for Python', lines)
    await shell?.close()
  })

  it('do with vaults and managed HSMs what they do with Azure’s', () => {
    expect(lines.filter(({ error }) => error !== undefined)).toEqual([])
    expect(lines.length).toBeGreaterThan(70)
  })
})
