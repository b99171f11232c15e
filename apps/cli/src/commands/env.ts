import { access, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { managementHost } from '@strongroom/contract'
import { askAsOwner } from '../client/https.ts'
import type { ServerRecord } from '../client/connection.ts'
import { textOption, type Command, type CommandContext } from '../core/command.ts'
import type { Result } from '../core/output.ts'

const cloud = 'Strongroom'

/** What the stock clients read; az gets a folder of its own, so that it mixes neither clouds nor cached tokens. */
function settingsOf(server: ServerRecord, azureConfigDir: string): Record<string, string> {
  const proxy = `http://127.0.0.1:${server.ports.local}`
  return {
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    NO_PROXY: 'localhost,127.0.0.1',
    no_proxy: 'localhost,127.0.0.1',
    REQUESTS_CA_BUNDLE: server.caPath,
    NODE_EXTRA_CA_CERTS: server.caPath,
    SSL_CERT_FILE: server.caPath,
    CURL_CA_BUNDLE: server.caPath,
    AZURE_CONFIG_DIR: azureConfigDir,
    AZURE_CORE_INSTANCE_DISCOVERY: 'false',
    AZURE_CORE_COLLECT_TELEMETRY: 'false',
    AZURE_CORE_ERROR_RECOMMENDATION: 'off',
    AZURE_CORE_LOGIN_EXPERIENCE_V2: 'off',
    AZURE_AUTHORITY_HOST: 'https://login.strongroom.internal',
    STRONGROOM_RESOURCE_MANAGER: `https://${managementHost}`,
    STRONGROOM_SUBSCRIPTION_ID: server.subscriptionId,
    STRONGROOM_TENANT_ID: server.tenantId,
  }
}

const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

/** A file with a key and its certificate, which az signs in by: no secret stands in a command line. */
async function loginFile(
  context: CommandContext,
  o: { directory: string; socket: string },
): Promise<{ path: string; clientId: string }> {
  const path = join(o.directory, 'login.pem')
  const noted = join(o.directory, 'login.client-id')
  const issued = await askAsOwner<{ client_id: string; pem: string }>(o.socket, '/login-certificate', {})
  await mkdir(o.directory, { recursive: true, mode: 0o700 })
  await writeFile(path, issued.pem, { mode: 0o600 })
  await writeFile(noted, issued.client_id, { mode: 0o600 })
  context.say(`Signing az in as the owner by the key in ${path}`)
  return { path, clientId: issued.client_id }
}

/** Shell commands that register the cloud with az, or bring its endpoints up to date, and sign in. */
function loginLines(o: { clientId: string; path: string; tenantId: string; registered: boolean }): string[] {
  const verb = o.registered ? 'update' : 'register'
  return [
    `az cloud ${verb} -n ${cloud} --endpoint-resource-manager https://${managementHost} --only-show-errors`,
    `az cloud set -n ${cloud} --only-show-errors`,
    `az login --service-principal -u ${o.clientId} --certificate ${quote(o.path)} --tenant ${o.tenantId} --output none --only-show-errors`,
  ]
}

export const envCommand: Command = {
  words: ['env'],
  summary: 'print shell settings that point the stock Azure clients here: eval "$(strongroom env)"',
  options: [
    { flags: '--login', summary: 'print the commands too that register this cloud with az and sign in as its owner' },
    { flags: '--approve <code>', summary: 'approve the device code that a client shows, as the owner' },
    { flags: '--decline <code>', summary: 'decline it' },
  ],
  examples: ['eval "$(strongroom env)"', 'eval "$(strongroom env --login)"', 'strongroom env --approve BCDFGHJKL'],
  run: async (context): Promise<Result> => {
    const { server } = await context.connect()
    const socket = join(context.paths.state, 'run', 'owner.sock')
    const approve = textOption(context, 'approve')
    const code = approve ?? textOption(context, 'decline')
    if (code !== undefined) {
      const body = { user_code: code, approve: approve !== undefined }
      const data = await askAsOwner<{ client_id: string; scope: string }>(socket, '/device', body)
      const word = approve === undefined ? 'declined' : 'approved'
      return { data: { ...data, decision: word }, lines: [`${word}: client ${data.client_id}, ${data.scope}`] }
    }
    const directory = join(context.paths.config, 'azure', server.subscriptionId)
    const settings = settingsOf(server, directory)
    const exports = Object.entries(settings).map(([name, value]) => `export ${name}=${quote(value)}`)
    if (context.options['login'] !== true) return { data: settings, lines: exports }
    const { path, clientId } = await loginFile(context, { directory, socket })
    const registered = await access(join(directory, 'clouds.config')).then(
      () => true,
      () => false,
    )
    const lines = loginLines({ clientId, path, tenantId: server.tenantId, registered })
    return { data: { ...settings, commands: lines }, lines: [...exports, ...lines] }
  },
}
