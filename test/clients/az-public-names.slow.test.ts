import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { expect } from 'vitest'
import type { Outcome } from './support/az.ts'
import { calls, note, shell, suite, useShell, works } from './support/chapters.ts'

useShell(
  'az-public-names',
  "The Azure CLI and the SDKs for JavaScript under Azure's own names (`strongroom env --public-names`)",
  '--public-names',
)

/** Everything that the machine's programs trust by default. */
const store =
  'find -L /etc/ssl /etc/ca-certificates* /usr/share/ca-certificates /usr/local/share/ca-certificates -type f ' +
  '-exec sha256sum {} + 2>/dev/null | sort | sha256sum'
const kept: Record<string, string> = {}
const program = resolve(import.meta.dirname, 'support/public-names-calls.ts')

suite('Signing in', () => {
  calls('Signing in', 'the shell says whose names it has, and no other shell has them', async () => {
    kept['store'] = (await shell.shell(store)).stdout
    const plain = {
      HTTPS_PROXY: '',
      https_proxy: '',
      REQUESTS_CA_BUNDLE: '',
      NODE_EXTRA_CA_CERTS: '',
      SSL_CERT_FILE: '',
      CURL_CA_BUNDLE: '',
    }
    const line = 'PS1="$ "; eval "$(strongroom env --public-names)"; echo "$PS1"; env'
    const { stdout, stderr } = await shell.shell(line, {
      ...plain,
      AZURE_AUTHORITY_HOST: 'https://login.strongroom.internal',
    })
    expect(stderr).toContain('In this shell the names of AZURE’S PUBLIC CLOUD lead to this Strongroom installation')
    expect(stderr).toContain('These bypass the proxy and reach the real Azure')
    expect(stdout).toContain('[AZURE NAMES = STRONGROOM] $ ')
    expect(stdout).not.toContain('AZURE_AUTHORITY_HOST')
    expect(stdout).toContain(`HTTPS_PROXY=${shell.environment['HTTPS_PROXY']}`)
    const own = await shell.shell(
      'eval "$(strongroom env)"; curl -sS --max-time 10 https://management.azure.com/',
      plain,
    )
    expect(own.code).not.toBe(0)
    // Through the proxy, without the trusted file.
    const untrusting = await shell.shell('curl -sS https://management.azure.com/', {
      CURL_CA_BUNDLE: '',
      SSL_CERT_FILE: '',
    })
    expect(untrusting.stderr).toContain('certificate')
    note('eval "$(strongroom env --public-names)"', 'works')
  })
  calls('Signing in', 'az login by certificate', async () => {
    const { code, stderr } = await shell.shell('eval "$(strongroom env --public-names --login)"')
    expect(code, stderr).toBe(0)
    note('eval "$(strongroom env --public-names --login)"', 'works')
  })
  works('cloud show --query "[name, endpoints.resourceManager, endpoints.activeDirectory]"', (body) =>
    expect(body).toEqual(['AzureCloud', 'https://management.azure.com/', 'https://login.microsoftonline.com']),
  )
  works('ad sp create-for-rbac -n robot --role Owner --scopes $SUB', (body: { appId: string; password: string }) => {
    kept['app'] = body.appId
    kept['password'] = body.password
  })
  calls('Signing in', 'az login by secret', async () => {
    const login = `az login --service-principal -u ${kept['app']} -p @robot --tenant ${shell.tenant}`
    const { code, stderr } = await shell.shell(`cat > robot <<< '${kept['password']}'; ${login}; rm robot`)
    expect(code, stderr).toBe(0)
    note('az login --service-principal -u APP -p @FILE --tenant TENANT', 'works')
  })
})

suite('Resources', () => {
  works('group create -n rg1 -l westeurope')
  works('group list', (body) => expect(body).toMatchObject([{ name: 'rg1' }]))
  works('keyvault create -g rg1 -n kvpublic', (body) =>
    expect(body.properties.vaultUri).toBe('https://kvpublic.vault.azure.net/'),
  )
  calls('Resources', 'a role for keys and secrets', async () => {
    const { code, stderr } = await shell.az(
      `role assignment create --role "Key Vault Administrator" --assignee ${kept['app']} --scope $SUB/resourceGroups/rg1`,
    )
    expect(code, stderr).toBe(0)
    note(
      'az role assignment create --role "Key Vault Administrator" --assignee APP --scope $SUB/resourceGroups/rg1',
      'works',
    )
  })
  works('keyvault key create --vault-name kvpublic -n k1 --kty RSA', (body) =>
    expect(body.key.kid).toMatch(/^https:\/\/kvpublic\.vault\.azure\.net\/keys\/k1\/[0-9a-f]{32}$/),
  )
  works('keyvault key list --vault-name kvpublic', (body) =>
    expect(body).toMatchObject([{ kid: 'https://kvpublic.vault.azure.net/keys/k1' }]),
  )
  works('keyvault secret set --vault-name kvpublic -n s1 --value https://kvpublic.vault.strongroom.internal/', (body) =>
    expect(body.value).toBe('https://kvpublic.vault.strongroom.internal/'),
  )
  works('network vnet create -g rg1 -n vnet1 --subnet-name default')
})

suite('@azure/identity, @azure/keyvault-keys, @azure/keyvault-secrets', () => {
  calls('@azure/identity, @azure/keyvault-keys, @azure/keyvault-secrets', 'a program without any option', async () => {
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', program, shell.tenant, kept['app']!, 'kvpublic'],
      {
        env: { PATH: process.env['PATH'], ...shell.environment },
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    )
    child.stdin.end(kept['password'])
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk) => (stdout += String(chunk)))
    child.stderr.on('data', (chunk) => (stderr += String(chunk)))
    expect(await new Promise((done) => child.once('close', done)), stderr).toBe(0)
    const made = stdout.trim().split('\n')
    expect(made).toHaveLength(5)
    note('new ClientSecretCredential(tenant, application, secret)', 'works')
    for (const call of made) note(call, 'works')
  })
})

const tutorial = "Microsoft's tutorial for a customer-managed key"
const provider = 'https://sharedweu.weu.attest.azure.net'
/** A command of the tutorial: `kept` has what its variables hold. */
function step(line: string, look: (body: Outcome['body']) => void = () => {}): void {
  calls(tutorial, `az ${line}`, async () => {
    const { code, stderr, body } = await shell.az(
      line.replaceAll(/\$(\w+)/g, (whole, name: string) => kept[name] ?? whole),
    )
    expect(code, stderr).toBe(0)
    look(body)
    note(`az ${line}`, 'works')
  })
}

suite(tutorial, () => {
  calls(tutorial, "the provider's metadata and keys, under Azure's name", async () => {
    const { body } = await shell.shell(`curl -sS ${provider}/.well-known/openid-configuration`)
    expect(body).toMatchObject({ issuer: provider, jwks_uri: `${provider}/certs` })
    expect((await shell.shell(`curl -sS ${provider}/certs`)).body.keys).toHaveLength(1)
    note(`curl ${provider}/.well-known/openid-configuration`, 'works')
  })
  step(
    'keyvault create -n cmkbox -g rg1 --sku premium --enable-purge-protection true --enable-rbac-authorization false',
  )
  step('ad sp show --id bf7b6499-ff71-4aa2-97a4-f372087be7f0', ({ id }) => (kept['cvmAgent'] = id))
  step('keyvault set-policy -n cmkbox -g rg1 --object-id $cvmAgent --key-permissions get release')
  step(
    'keyvault key create --vault-name cmkbox -n default --default-cvm-policy --exportable --kty RSA-HSM ' +
      '--size 3072 --ops wrapKey unwrapKey',
    ({ releasePolicy }) => expect(JSON.stringify(releasePolicy)).toContain(provider),
  )
  calls(tutorial, "a policy as Microsoft's, for all regions", async () => {
    const allOf = [{ claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }]
    const anyOf = ['eus', 'weu', 'scus'].map((code) => ({
      authority: `https://shared${code}.${code}.attest.azure.net/`,
      allOf: [...allOf, { anyOf: ['tdxvm', 'sevsnpvm'].map((equals) => ({ claim: 'x-ms-attestation-type', equals })) }],
    }))
    const policy = JSON.stringify({ version: '1.0.0', anyOf })
    expect((await shell.shell(`cat > skr-policy.json <<< '${policy}'`)).code).toBe(0)
  })
  step(
    'keyvault key create --vault-name cmkbox -n disk --policy skr-policy.json --exportable --kty RSA-HSM ' +
      '--size 3072 --ops wrapKey unwrapKey',
    ({ key }) => (kept['encryptionKeyURL'] = key.kid),
  )
  step('keyvault show -n cmkbox -g rg1', ({ id }) => (kept['encryptionKeyVaultId'] = id))
  step(
    'disk-encryption-set create -g rg1 -n set --key-url $encryptionKeyURL --source-vault ' +
      '$encryptionKeyVaultId --encryption-type ConfidentialVmEncryptedWithCustomerKey',
    (set) => {
      kept['diskEncryptionSetID'] = set.id
      kept['desIdentity'] = set.identity.principalId
    },
  )
  step('keyvault set-policy -n cmkbox -g rg1 --object-id $desIdentity --key-permissions wrapkey unwrapkey get')
  step(
    'vm create -g rg1 -n vm1 --size Standard_DC4as_v5 --admin-username azureuser --generate-ssh-keys ' +
      '--enable-vtpm true --enable-secure-boot true --image ' +
      'Canonical:0001-com-ubuntu-confidential-vm-jammy:22_04-lts-cvm:latest --public-ip-sku Standard ' +
      '--security-type ConfidentialVM --os-disk-security-encryption-type DiskWithVMGuestState ' +
      '--os-disk-secure-vm-disk-encryption-set $diskEncryptionSetID',
    ({ powerState }) => expect(powerState).toBe('VM running'),
  )
})

suite('The end', () => {
  works('group delete -n rg1 --yes')
  calls('The end', 'what was told, and what stays', async () => {
    const { stdout } = await shell.shell('strongroom status')
    expect(stdout).toContain('*** PUBLIC NAMES: ')
    expect((await shell.shell(store)).stdout).toBe(kept['store'])
    expect(kept['store']).toMatch(/^[0-9a-f]{64}/)
    note('strongroom status', 'works')
    const ended = await shell.shell(
      'strongroom env --end-public-names; strongroom status; curl -sS https://management.azure.com/',
    )
    expect(ended.stdout).not.toContain('PUBLIC NAMES')
    expect(ended.code).toBe(7)
    note('strongroom env --end-public-names', 'works')
  })
})
