import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { managementHost } from '@strongroom/contract'
import { clientEnvironment } from '../client/environment.ts'
import { askAsOwner } from '../client/https.ts'
import { writeLoginFile } from '../client/login-file.ts'
import { textOption, type Command } from '../core/command.ts'
import type { Result } from '../core/output.ts'

const cloud = 'Strongroom'

const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

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
    const settings = clientEnvironment(server, directory)
    const exports = Object.entries(settings).map(([name, value]) => `export ${name}=${quote(value)}`)
    if (context.options['login'] !== true) return { data: settings, lines: exports }
    const { path, clientId } = await writeLoginFile({ directory, socket })
    context.say(`Signing az in as the owner by the key in ${path}`)
    const registered = await access(join(directory, 'clouds.config')).then(
      () => true,
      () => false,
    )
    const lines = loginLines({ clientId, path, tenantId: server.tenantId, registered })
    return { data: { ...settings, commands: lines }, lines: [...exports, ...lines] }
  },
}
