import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { npm } from '../packages/stranger.ts'
import { calls, note, shell, suite, useShell } from './support/chapters.ts'
import { mcpPackages, McpServer, type ToolOutcome } from './support/mcp.ts'

useShell('azure-mcp', "Azure's MCP server under Azure's own names (`strongroom env --public-names`)", '--public-names')

const folder = mkdtempSync(join(tmpdir(), 'strongroom-mcp-'))
beforeAll(() => {
  npm(folder, 'install', '--no-save', '--ignore-scripts', ...Object.entries(mcpPackages).map((each) => each.join('@')))
})
const kept: { server?: McpServer; reader?: McpServer } = {}
afterAll(async () => {
  await kept.server?.close()
  await kept.reader?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** As MCP clients are configured to start it: `azmcp server start`, with each tool under its own name. */
const start = async (more: Record<string, string> = {}): Promise<McpServer> =>
  await McpServer.start(join(folder, 'node_modules/.bin/azmcp'), ['server', 'start', '--mode', 'all'], {
    cwd: folder,
    env: { ...shell.installation.environment(), ...shell.environment, PYTHONWARNINGS: 'ignore', ...more },
  })

type Arguments = Record<string, string | number | boolean>
const inGroup = (more: Arguments): Arguments => ({ 'resource-group': 'rg1', ...more })
const call = async (server: McpServer, name: string, args: Arguments): Promise<ToolOutcome> =>
  await server.tool(name, { subscription: shell.subscription, ...args })
const shown = (name: string, args: Arguments): string =>
  `${name} ${JSON.stringify(args, (key, value) => (key === 'certificate-data' || key === 'ssh-public-key' ? '…' : value))}`

/** A tool that must answer. @param args may depend on earlier calls */
function answers(
  chapter: string,
  name: string,
  args: Arguments | (() => Arguments),
  look: (results: ToolOutcome['results']) => void,
): void {
  calls(chapter, `${name} ${typeof args === 'function' ? '' : JSON.stringify(args)}`, async () => {
    const given = typeof args === 'function' ? args() : args
    const { failed, text, results } = await call(kept.server!, name, given)
    expect(failed, text).toBe(false)
    look(results)
    note(shown(name, given), 'works')
  })
}

/** A tool that requests something missing here, and gets an error for it. */
function lacks(chapter: string, name: string, args: Arguments, why: string | RegExp): void {
  calls(chapter, `${name} is told that it is not here`, async () => {
    const { failed, text } = await call(kept.server!, name, args)
    expect(failed, text).toBe(true)
    expect(text).toMatch(why)
    note(shown(name, args), `not offered: ${why instanceof RegExp ? why.source : why}`)
  })
}

const vmPath = (): string =>
  `/subscriptions/${shell.subscription}/resourceGroups/rg1/providers/Microsoft.Compute/virtualMachines/vm1`
const create = {
  'vm-name': 'vm1',
  location: 'westeurope',
  'admin-username': 'azureuser',
  'vm-size': 'Standard_D2as_v5',
}

suite('Start', () => {
  calls('Start', 'installed from npm, it starts, lists its tools and ends', async () => {
    const signedIn = await shell.shell(
      'eval "$(strongroom env --public-names --login)" && az group create -n rg1 -l westeurope',
    )
    expect(signedIn.code, signedIn.stderr).toBe(0)
    const { stdout } = await shell.shell('ssh-keygen -q -t ed25519 -N "" -f key >/dev/null && cat key.pub')
    key = stdout.trim()
    kept.server = await start()
    expect(kept.server.info).toMatchObject({ name: 'Azure MCP Server', version: mcpPackages['@azure/mcp'] })
    const { tools } = await kept.server.request('tools/list', {})
    const names = (tools as { name: string }[]).map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['subscription_list', 'compute_vm_create', 'keyvault_key_get']))
    note('azmcp server start --mode all, signed in by az (`strongroom env --public-names --login`)', 'works')
  })
})
let key = ''

suite('Subscriptions, groups, roles', () => {
  const chapter = 'Subscriptions, groups, roles'
  answers(chapter, 'subscription_list', {}, ({ subscriptions }) =>
    expect(subscriptions).toMatchObject([
      { subscriptionId: shell.subscription, tenantId: shell.tenant, state: 'Enabled' },
    ]),
  )
  answers(chapter, 'group_list', {}, ({ groups }) =>
    expect(groups).toMatchObject([{ name: 'rg1', location: 'westeurope' }]),
  )
  answers(
    chapter,
    'role_assignment_list',
    () => ({ scope: `/subscriptions/${shell.subscription}` }),
    (results) => expect(JSON.stringify(results)).toContain('8e3af657-a8ff-443c-a75c-2fe8c4bcb635'),
  )
})

suite('Machines and disks', () => {
  const chapter = 'Machines and disks'
  const made = (): Arguments =>
    inGroup({ ...create, 'ssh-public-key': key, image: 'Canonical:ubuntu-24_04-lts:cvm:latest' })
  answers(chapter, 'compute_vm_create', made, ({ Vm }) =>
    expect(Vm).toMatchObject({ id: vmPath(), provisioningState: 'Succeeded', vmSize: 'Standard_D2as_v5' }),
  )
  answers(chapter, 'compute_vm_get', {}, ({ Vms }) => expect(Vms).toMatchObject([{ name: 'vm1', osType: 'Linux' }]))
  answers(chapter, 'compute_vm_get', inGroup({ 'vm-name': 'vm1', 'instance-view': true }), ({ InstanceView }) =>
    expect(InstanceView.powerState).toBe('running'),
  )
  answers(chapter, 'compute_vm_update', inGroup({ 'vm-name': 'vm1', tags: 'team=blue' }), ({ Vm }) =>
    expect(Vm.tags).toEqual({ team: 'blue' }),
  )
  answers(chapter, 'resourcehealth_availability-status_get', {}, (results) =>
    expect(JSON.stringify(results)).toContain('Available'),
  )
  answers(
    chapter,
    'resourcehealth_availability-status_get',
    () => ({ resourceId: vmPath() }),
    (results) => expect(JSON.stringify(results)).toContain('Available'),
  )
  answers(chapter, 'monitor_activitylog_list', inGroup({ 'resource-name': 'vm1' }), (results) =>
    expect(JSON.stringify(results)).toContain('Microsoft.Compute/virtualMachines/write'),
  )
  const vmMetrics = inGroup({ resource: 'vm1', 'resource-type': 'Microsoft.Compute/virtualMachines' })
  answers(chapter, 'monitor_metrics_definitions', vmMetrics, ({ results }) =>
    expect(results).toMatchObject([{ name: 'VmAvailabilityMetric' }]),
  )
  const asked = {
    ...vmMetrics,
    'metric-names': 'VmAvailabilityMetric',
    'metric-namespace': 'Microsoft.Compute/virtualMachines',
  }
  answers(chapter, 'monitor_metrics_query', asked, ({ results }) =>
    expect(results[0].timeSeries[0].avgBuckets).toEqual([1]),
  )
  const disk = inGroup({ 'disk-name': 'd1' })
  answers(chapter, 'compute_disk_create', { ...disk, 'size-gb': 4, location: 'westeurope' }, ({ Disk }) =>
    expect(Disk).toMatchObject({ Name: 'd1', DiskSizeGB: 4, DiskState: 'Unattached' }),
  )
  answers(chapter, 'compute_disk_update', { ...disk, 'size-gb': 8 }, ({ Disk }) => expect(Disk.DiskSizeGB).toBe(8))
  answers(chapter, 'compute_disk_get', inGroup({}), ({ Disks }) =>
    expect(Disks.map(({ Name }: { Name: string }) => Name)).toContain('d1'),
  )
  answers(chapter, 'compute_disk_delete', disk, ({ Deleted }) => expect(Deleted).toBe(true))
  answers(chapter, 'compute_vmss_get', {}, ({ VmssList }) => expect(VmssList).toEqual([]))
  answers(
    chapter,
    'quota_usage_check',
    { region: 'westeurope', 'resource-types': 'Microsoft.Compute/virtualMachines' },
    (results) =>
      expect(results.usageInfo['Microsoft.Compute/virtualMachines']).toContainEqual({
        name: 'Standard_DC2as_v5',
        limit: 100,
        used: 0,
      }),
  )
  answers(
    chapter,
    'quota_region_availability_list',
    { 'resource-types': 'Microsoft.Compute/virtualMachines' },
    (results) => expect(results.availableRegions).toContain('westeurope'),
  )
  answers(chapter, 'group_resource_list', inGroup({}), ({ resources }) =>
    expect(resources.map(({ name }: { name: string }) => name)).toContain('vm1'),
  )
  answers(chapter, 'compute_vm_delete', inGroup({ 'vm-name': 'vm1' }), ({ Success }) => expect(Success).toBe(true))
})

suite('Vaults', () => {
  const chapter = 'Vaults'
  const vault = { vault: 'kvmcp' }
  calls(chapter, 'a vault, and a role in it, by az', async () => {
    const assignee = '"$(az account show --query user.name -o tsv)"'
    const line =
      'az keyvault create -g rg1 -n kvmcp -o none && az role assignment create --role "Key Vault Administrator" ' +
      `--assignee ${assignee} --scope /subscriptions/${shell.subscription}/resourceGroups/rg1 -o none`
    const { code, stderr } = await shell.shell(line)
    expect(code, stderr).toBe(0)
    const files =
      'openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -subj /CN=imported -days 30 2>/dev/null ' +
      '&& openssl pkcs12 -export -passout pass: -inkey k.pem -in c.pem | base64 -w0'
    imported = execFileSync('bash', ['-c', files], { cwd: folder, encoding: 'utf8' })
  })
  let imported = ''
  answers(chapter, 'keyvault_key_create', { ...vault, key: 'k1', 'key-type': 'RSA' }, (results) =>
    expect(results).toMatchObject({ name: 'k1', keyType: 'RSA', enabled: true }),
  )
  answers(chapter, 'keyvault_key_get', vault, ({ keys }) => expect(keys).toEqual(['k1']))
  answers(chapter, 'keyvault_key_get', { ...vault, key: 'k1' }, (results) => expect(results.key.keyType).toBe('RSA'))
  answers(chapter, 'keyvault_secret_create', { ...vault, secret: 's1', value: 'a word' }, (results) =>
    expect(results).toMatchObject({ name: 's1', enabled: true }),
  )
  answers(chapter, 'keyvault_secret_get', vault, ({ secrets }) => expect(secrets).toEqual(['s1']))
  answers(chapter, 'keyvault_secret_get', { ...vault, secret: 's1' }, ({ secret }) =>
    expect(secret.value).toBe('a word'),
  )
  answers(chapter, 'keyvault_certificate_create', { ...vault, certificate: 'c1' }, (results) =>
    expect(results).toMatchObject({ name: 'c1', enabled: true }),
  )
  answers(
    chapter,
    'keyvault_certificate_import',
    () => ({ ...vault, certificate: 'c2', 'certificate-data': imported }),
    (results) => expect(results.subject ?? results.name).toMatch(/^(CN=imported|c2)$/),
  )
  answers(chapter, 'keyvault_certificate_get', vault, ({ certificates }) => expect(certificates).toEqual(['c1', 'c2']))
  answers(chapter, 'keyvault_certificate_get', { ...vault, certificate: 'c2' }, ({ certificate }) =>
    expect(certificate.id).toMatch(/^https:\/\/kvmcp\.vault\.azure\.net\/certificates\/c2\//),
  )
  calls(chapter, 'asks its user before it shows a secret or changes anything', async () => {
    expect(kept.server!.asked.filter((text) => text.includes('keyvault_secret_get')).length).toBeGreaterThan(0)
    expect(kept.server!.asked.filter((text) => text.includes('compute_vm_delete'))).toHaveLength(1)
  })
})

suite('What is not here', () => {
  const chapter = 'What is not here'
  calls(chapter, 'compute_vmss_create is told that sets are flexible', async () => {
    const args = inGroup({
      'vmss-name': 'ss1',
      location: 'westeurope',
      'admin-username': 'azureuser',
      'ssh-public-key': key,
      image: 'Canonical:ubuntu-24_04-lts:cvm:latest',
      'vm-size': 'Standard_D2as_v5',
    })
    const { failed, text } = await call(kept.server!, 'compute_vmss_create', args)
    expect([failed, text]).toEqual([true, expect.stringContaining('Uniform orchestration mode are not supported')])
    note(shown('compute_vmss_create', args), 'not offered: it makes sets of the uniform mode alone')
  })
  lacks(chapter, 'policy_assignment_list', {}, 'InvalidResourceType')
  lacks(chapter, 'advisor_recommendation_list', {}, 'InvalidQuery')
  lacks(chapter, 'resourcehealth_health-events_list', {}, '404')
  lacks(chapter, 'pricing_get', { sku: 'Standard_DC2as_v5' }, '403')
})

suite('A principal of its own', () => {
  const chapter = 'A principal of its own'
  calls(chapter, 'signs in by certificate and may what its role allows', async () => {
    const scope = `/subscriptions/${shell.subscription}`
    const { code, body, stderr } = await shell.az(
      `ad sp create-for-rbac -n agent --role Reader --scopes ${scope} --create-cert`,
    )
    expect(code, stderr).toBe(0)
    kept.reader = await start({
      AZURE_CLIENT_ID: body.appId,
      AZURE_TENANT_ID: shell.tenant,
      AZURE_CLIENT_CERTIFICATE_PATH: body.fileWithCertAndPrivateKey,
      AZURE_TOKEN_CREDENTIALS: 'EnvironmentCredential',
    })
    const group = await call(kept.reader, 'group_resource_list', inGroup({}))
    expect(group.failed, group.text).toBe(false)
    const disk = { 'disk-name': 'd2', 'size-gb': 4, location: 'westeurope' }
    const refused = await call(kept.reader, 'compute_disk_create', inGroup(disk))
    expect([refused.failed, refused.text]).toEqual([true, expect.stringContaining('AuthorizationFailed')])
    const secret = await call(kept.reader, 'keyvault_secret_get', { vault: 'kvmcp', secret: 's1' })
    expect(secret.failed, secret.text).toBe(true)
    expect(secret.text).not.toContain('a word')
    note('azmcp server start, AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_CLIENT_CERTIFICATE_PATH of a Reader', 'works')
    note(shown('compute_disk_create', inGroup(disk)), 'refused: AuthorizationFailed')
  })
})
