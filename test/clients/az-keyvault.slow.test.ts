import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rsaAesKeyWrap } from '../../services/vault/src/keystore/wrap.ts'
import { AzShell, azIsInstalled, type Outcome } from './support/az.ts'
import { writeCompatibility } from './support/compatibility.ts'

const administrator = '00482a5a-887f-4fb3-b363-3b7fe8e74483'
const place = '--vault-name azkv'
const digest = createHash('sha256').update('what is signed').digest('base64')

let shell: AzShell
let section = ''
/** Failed calls; the page is written only if there are none. */
const broken = new Set<string>()
/** Values of earlier answers for later commands. */
const kept: Record<string, string> = {}

beforeAll(async () => {
  if (azIsInstalled) shell = await AzShell.open()
})

afterAll(async () => {
  if (!azIsInstalled) return
  if (broken.size === 0) await writeCompatibility('az-keyvault', "`az keyvault` of Debian's azure-cli 2.74", shell.rows)
  await shell.close()
})

/** A command that must succeed; `{name}` is replaced by a kept value; `look` gets its JSON. */
function works(line: string, look: (body: Outcome['body']) => void = () => {}): void {
  const chapter = section
  it(`az ${line}`, async () => {
    broken.add(line)
    const outcome = await shell.az(filled(line))
    const errors = outcome.stderr
      .split('\n')
      .filter((each) => each.startsWith('ERROR') && !each.includes('command module'))
    expect(errors, line).toEqual([])
    expect(outcome.code, outcome.stderr).toBe(0)
    look(outcome.body)
    shell.rows.push({ section: chapter, call: `az ${line}`, result: 'works' })
    broken.delete(line)
  })
}

/** A command that must be refused, with a text of the refusal. */
function refused(line: string, text: string): void {
  const chapter = section
  it(`az ${line} is refused: ${text}`, async () => {
    broken.add(line)
    const outcome = await shell.az(filled(line))
    expect(outcome.code).not.toBe(0)
    expect(outcome.stderr).toContain(text)
    shell.rows.push({ section: chapter, call: `az ${line}`, result: `refused: ${text}` })
    broken.delete(line)
  })
}

const filled = (line: string): string =>
  line.replaceAll(/\{(\w+)\}/g, (whole, name: string) => kept[name] ?? whole).replaceAll('$TENANT', shell.tenant)

describe.skipIf(!azIsInstalled)('az keyvault, unmodified', { timeout: 60_000 }, () => {
  beforeAll(async () => {
    const signedIn = await shell.shell('eval "$(strongroom env --login)"')
    expect(signedIn.code, signedIn.stderr).toBe(0)
    await shell.az('group create -n rg -l westeurope')
    const { body } = await shell.az('account get-access-token --query accessToken')
    const claims = JSON.parse(Buffer.from((body as string).split('.')[1]!, 'base64url').toString('utf8')) as {
      oid: string
    }
    kept['me'] = claims.oid
    await writeFile(
      join(shell.installation.home, 'release.json'),
      JSON.stringify({
        version: '1.0.0',
        anyOf: [
          {
            authority: 'https://sharedweu.weu.attest.strongroom.internal',
            allOf: [{ claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }],
          },
        ],
      }),
    )
    const policy = {
      issuerParameters: { name: 'Self' },
      keyProperties: { exportable: true, keySize: 2048, keyType: 'RSA', reuseKey: true },
      lifetimeActions: [{ action: { actionType: 'AutoRenew' }, trigger: { daysBeforeExpiry: 90 } }],
      secretProperties: { contentType: 'application/x-pkcs12' },
      x509CertificateProperties: {
        keyUsage: ['cRLSign', 'dataEncipherment', 'digitalSignature', 'keyEncipherment', 'keyAgreement', 'keyCertSign'],
        subject: 'CN=CLIGetDefaultPolicy',
        validityInMonths: 12,
      },
    }
    await writeFile(join(shell.installation.home, 'policy.json'), JSON.stringify(policy))
  })

  section = 'Vaults'
  works('keyvault create -n azkv -g rg -l westeurope --sku premium --enable-rbac-authorization true', (vault) => {
    expect(vault.properties).toMatchObject({
      enableRbacAuthorization: true,
      vaultUri: 'https://azkv.vault.strongroom.internal/',
    })
  })
  works('keyvault show -n azkv -g rg')
  works('keyvault list -g rg', (vaults) => expect(vaults).toHaveLength(1))
  refused(`keyvault key create ${place} -n early --kty RSA`, 'Forbidden')
  works(
    'role assignment create --assignee-object-id {me} --assignee-principal-type ServicePrincipal --role ' +
      `${administrator} --scope $SUB/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/azkv`,
  )
  works('keyvault update -n azkv -g rg --retention-days 90 --enable-purge-protection false')

  section = 'Keys'
  works(`keyvault key create ${place} -n rsa --kty RSA --size 2048 --tags a=b`, ({ key }) => {
    kept['version'] = (key.kid as string).split('/').at(-1)!
    expect(key.kty).toBe('RSA')
  })
  works(`keyvault key create ${place} -n ec --kty EC-HSM --curve P-384`)
  works(`keyvault key create ${place} -n released --kty RSA-HSM --exportable true --policy release.json`, (key) =>
    expect(key.attributes.exportable).toBe(true),
  )
  works(`keyvault key create ${place} -n default --kty RSA-HSM --exportable true --default-cvm-policy`, (key) => {
    expect(key.releasePolicy ?? key.release_policy).toBeTruthy()
  })
  works(`keyvault key show ${place} -n rsa`)
  works(
    'rest --method get --resource https://vault.azure.net --url ' +
      'https://azkv.vault.strongroom.internal/keys/ec/attestation?api-version=7.6-preview.2',
    (body) => expect(body.attributes.attestation.version).toBe('1.0'),
  )
  works(`keyvault key create ${place} -n kek --kty RSA-HSM --size 2048 --ops import`, ({ key }) => {
    kept['kek'] = JSON.stringify(key)
  })
  works(`keyvault key download ${place} -n kek -f kek.pem`)
  it('wraps a key to kek.pem, as the tool of another HSM does', async () => {
    const publicKey = createPublicKey(await readFile(join(shell.installation.home, 'kek.pem')))
    const { n, e } = publicKey.export({ format: 'jwk' }) as { n: string; e: string }
    const secret = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
      type: 'pkcs8',
      format: 'der',
    })
    const enc = 'CKM_RSA_AES_KEY_WRAP'
    const { kid } = JSON.parse(kept['kek']!) as { kid: string }
    const ciphertext = Buffer.from(rsaAesKeyWrap({ secret, wrappingKey: { n, e }, algorithm: enc })).toString(
      'base64url',
    )
    const blob = { schema_version: '1.0.0', header: { kid, alg: 'dir', enc }, ciphertext, generator: 'a test' }
    await writeFile(join(shell.installation.home, 'key.byok'), JSON.stringify(blob))
  })
  works(`keyvault key import ${place} -n brought --kty RSA --byok-file key.byok`, ({ key }) =>
    expect(key.kty).toBe('RSA-HSM'),
  )
  works(`keyvault key sign ${place} -n brought -a RS256 --digest ${digest}`)
  works(`keyvault key list ${place}`, (keys) => expect(keys).toHaveLength(6))
  works(`keyvault key set-attributes ${place} -n rsa --enabled true --expires 2030-01-01T00:00:00Z`, (key) =>
    expect(key.attributes.exp).toBe(Date.parse('2030-01-01T00:00:00Z') / 1000),
  )
  works(`keyvault key rotate ${place} -n rsa`, ({ key }) => {
    expect(key.kid).not.toContain(kept['version'])
  })
  works(`keyvault key list-versions ${place} -n rsa`, (versions) => expect(versions).toHaveLength(2))
  works(`keyvault key rotation-policy show ${place} -n rsa`)
  works(`keyvault key encrypt ${place} -n rsa -a RSA-OAEP-256 --value c2VjcmV0 --data-type base64`, ({ result }) => {
    kept['sealed'] = result
  })
  works(`keyvault key decrypt ${place} -n rsa -a RSA-OAEP-256 --value {sealed} --data-type base64`, ({ result }) =>
    expect(result).toBe('c2VjcmV0'),
  )
  works(`keyvault key sign ${place} -n rsa -a RS256 --digest ${digest}`, ({ signature }) => {
    kept['signature'] = signature
  })
  works(`keyvault key verify ${place} -n rsa -a RS256 --digest ${digest} --signature {signature}`, ({ isValid }) =>
    expect(isValid).toBe(true),
  )
  works(`keyvault key backup ${place} -n ec -f ec.backup`)
  works(`keyvault key delete ${place} -n ec`)
  works(`keyvault key list-deleted ${place}`, (keys) => expect(keys).toHaveLength(1))
  works(`keyvault key recover ${place} -n ec`)
  works(`keyvault key delete ${place} -n ec`)
  works(`keyvault key purge ${place} -n ec`)
  works(`keyvault key restore ${place} -f ec.backup`, ({ key }) => expect(key.crv).toBe('P-384'))
  refused(`keyvault key show ${place} -n none`, 'KeyNotFound')
  refused(`keyvault key create ${place} -n x --kty RSA-HSM --exportable true`, 'release policy')

  section = 'Secrets'
  works(`keyvault secret set ${place} -n s --value kept`)
  works(`keyvault secret show ${place} -n s`, ({ value }) => expect(value).toBe('kept'))
  works(`keyvault secret set-attributes ${place} -n s --content-type text/plain`)
  works(`keyvault secret list ${place}`, (secrets) => expect(secrets).toHaveLength(1))
  works(`keyvault secret backup ${place} -n s -f s.backup`)
  works(`keyvault secret delete ${place} -n s`)
  works(`keyvault secret recover ${place} -n s`)
  works(`keyvault secret delete ${place} -n s`)
  works(`keyvault secret purge ${place} -n s`)
  works(`keyvault secret restore ${place} -f s.backup`, ({ name }) => expect(name ?? 's').toBe('s'))

  section = 'Certificates'
  // `get-default-policy` of Debian's azure-cli is broken: this is what it would print.
  works(`keyvault certificate create ${place} -n cert -p @policy.json`, ({ status }) =>
    expect(status).toBe('completed'),
  )
  works(`keyvault certificate show ${place} -n cert`, (certificate) => {
    expect(certificate.policy.x509CertificateProperties.subject).toBe('CN=CLIGetDefaultPolicy')
    expect([certificate.kid, certificate.sid].map((id: string) => id.split('/').at(-1))).toEqual(
      Array.from({ length: 2 }, () => certificate.id.split('/').at(-1) as string),
    )
  })
  works(`keyvault certificate list ${place}`, (certificates) => expect(certificates).toHaveLength(1))
  works(`keyvault certificate list-versions ${place} -n cert`, (versions) => expect(versions).toHaveLength(1))
  works(`keyvault certificate set-attributes ${place} -n cert --tags a=b`, ({ tags }) => expect(tags.a).toBe('b'))
  works(`keyvault certificate download ${place} -n cert -f cert.pem`)
  works(`keyvault secret download ${place} -n cert -f cert.pfx -e base64`)
  works(`keyvault certificate import ${place} -n copy -f cert.pfx`, (copy) =>
    expect(copy.policy.issuerParameters.name).toBe('Unknown'),
  )
  refused(`keyvault key delete ${place} -n cert`, 'managed')
  works(`keyvault certificate delete ${place} -n cert`)
  works(`keyvault certificate list-deleted ${place}`, (certificates) => expect(certificates).toHaveLength(1))
  works(`keyvault certificate recover ${place} -n cert`)
  works(`keyvault certificate delete ${place} -n copy`)
  works(`keyvault certificate purge ${place} -n copy`)
  works(`keyvault certificate backup ${place} -n cert -f cert.backup`)
  refused(`keyvault certificate restore ${place} -f cert.backup`, 'Conflict')
  works(`keyvault certificate delete ${place} -n cert`)
  works(`keyvault certificate purge ${place} -n cert`)
  works(`keyvault certificate restore ${place} -f cert.backup`, ({ name, sid }) =>
    expect([name, sid.includes('/secrets/cert/')]).toEqual(['cert', true]),
  )
  it('a request is signed outside, and merged', async () => {
    const authority = 'openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=Ours -days 9'
    expect((await shell.shell(`${authority} && sed s/Self/Unknown/ policy.json >unknown.json`)).code).toBe(0)
    const commands = [
      `create ${place} -n outside -p @unknown.json`,
      `pending show ${place} -n outside`,
      `pending merge ${place} -n outside -f outside.pem`,
    ]
    const [create, show, merge] = commands.map((each) => `keyvault certificate ${each}`)
    const made = await shell.az(create!)
    expect(made.body?.status, made.stderr).toBe('inProgress')
    const shown = await shell.az(show!)
    expect(shown.body?.csr, shown.stderr).toBe(made.body.csr)
    const sign =
      `echo ${made.body.csr} | base64 -d | openssl x509 -req -inform DER -CA ca.pem -CAkey ca.key -not_before ` +
      '20250101000000Z -not_after 20450101000000Z -out outside.pem'
    expect((await shell.shell(sign)).code).toBe(0)
    const merged = await shell.az(merge!)
    expect(merged.body?.name, merged.stderr).toBe('outside')
    for (const call of [create!, show!, merge!])
      shell.rows.push({ section: 'Certificates', call: `az ${call}`, result: 'works' })
  })
  works(`keyvault certificate create ${place} -n given-up -p @unknown.json`)
  works(`keyvault certificate pending delete ${place} -n given-up`)
  refused(
    `keyvault certificate issuer create ${place} --issuer-name digi --provider-name DigiCert --account-id me --password secret`,
    'Use the issuer Self',
  )
  refused(`keyvault certificate issuer list ${place}`, 'Use the issuer Self')
  refused(`keyvault certificate contact add ${place} --email a@example.com --name A`, 'nobody is mailed')

  section = 'Deleted vaults'
  works('keyvault delete -n azkv -g rg')
  works('keyvault list-deleted --resource-type vault', (vaults) => expect(vaults).toHaveLength(1))
  works('keyvault show-deleted -n azkv')
  works('keyvault recover -n azkv -g rg -l westeurope')
  refused(`keyvault secret show ${place} -n s`, 'Forbidden')
  works(
    'role assignment create --assignee-object-id {me} --assignee-principal-type ServicePrincipal --role ' +
      `${administrator} --scope $SUB/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/azkv`,
  )
  works(`keyvault secret show ${place} -n s`, ({ value }) => expect(value).toBe('kept'))
  works('keyvault delete -n azkv -g rg')
  works('keyvault purge -n azkv -l westeurope')
})
