import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { managementHost } from '@strongroom/contract'
import { writeCaBundle } from '../client/ca-bundle.ts'
import { clientEnvironment, notWithPublicNames, publicNamesEnvironment } from '../client/environment.ts'
import { askAsOwner } from '../client/https.ts'
import { writeLoginFile } from '../client/login-file.ts'
import { announcement, publicNames } from '../client/public-names.ts'
import type { DeviceSignInView } from '@strongroom/contract/wires'
import type { ServerRecord } from '../core/connection.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../core/command.ts'
import type { Result } from '../core/output.ts'

const cloud = 'Strongroom'

const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

/** Shell commands that register the cloud with az, or update its endpoints. */
const cloudLines = (registered: boolean): string[] => [
  `az cloud ${registered ? 'update' : 'register'} -n ${cloud} --endpoint-resource-manager https://${managementHost} --only-show-errors`,
  `az cloud set -n ${cloud} --only-show-errors`,
]

const signInLine = (o: { clientId: string; path: string; tenantId: string }): string =>
  `az login --service-principal -u ${o.clientId} --certificate ${quote(o.path)} --tenant ${o.tenantId} --output none --only-show-errors`

/** Marks each prompt, because Azure's names are not Azure's here. */
const promptLine =
  'case "${PS1-}" in ""|*"AZURE NAMES = STRONGROOM"*) ;; *) PS1="[AZURE NAMES = STRONGROOM] $PS1" ;; esac'

const exportLines = (settings: Record<string, string>): string[] =>
  Object.entries(settings).map(([name, value]) => `export ${name}=${quote(value)}`)

export const envCommand: Command = {
  words: ['env'],
  summary: 'print shell settings that point the stock Azure clients here: eval "$(strongroom env)"',
  options: [
    { flags: '--login', summary: 'also print the commands that register this cloud with az and sign in as its owner' },
    {
      flags: '--public-names',
      summary:
        "make the names of Azure's public cloud lead here for this shell, for 30 days (docs/guides/azure-clients.md)",
    },
    { flags: '--end-public-names', summary: 'stop that, for every shell' },
    {
      flags: '--approve <code>',
      summary: 'show what a client asks for by the device code that it shows, and with --yes approve it as the owner',
    },
    { flags: '-y, --yes', summary: 'with --approve: you started this sign-in yourself' },
    { flags: '--decline <code>', summary: 'decline it' },
  ],
  examples: [
    'eval "$(strongroom env)"',
    'eval "$(strongroom env --login)"',
    'eval "$(strongroom env --public-names)"',
    'strongroom env --approve BCDFGHJKL',
    'strongroom env --approve BCDFGHJKL --yes',
  ],
  run: async (context): Promise<Result> => {
    const { server } = await context.connect()
    const { state, config } = context.paths
    const socket = join(state, 'run', 'owner.sock')
    if (context.options['endPublicNames'] === true) {
      const data = await publicNames(state, 'close')
      return {
        data,
        lines: ["Azure's names are no longer answered here. Shells that still use them cannot reach anything."],
      }
    }
    const approve = textOption(context, 'approve')
    if (approve !== undefined) return await approveDevice(context, socket, approve)
    const decline = textOption(context, 'decline')
    if (decline !== undefined) {
      const body = { user_code: decline, approve: false }
      const data = await askAsOwner<DeviceSignInView>(socket, '/device', body)
      return { data: { ...data, decision: 'declined' }, lines: [`declined: client ${data.client_id}, ${data.scope}`] }
    }
    const directory = join(config, 'azure', server.subscriptionId)
    const isPublic = context.options['publicNames'] === true
    const {
      settings,
      lines,
      directory: azDirectory,
    } = isPublic ? await withPublicNames(context, server, directory) : await withOwnNames(server, directory)
    if (context.options['login'] !== true) return { data: settings, lines }
    const { path, clientId } = await writeLoginFile({ directory: azDirectory, socket })
    context.say(`Signing az in as the owner with the key in ${path}`)
    const registered = await access(join(azDirectory, 'clouds.config')).then(
      () => true,
      () => false,
    )
    const commands = [
      ...(isPublic ? [] : cloudLines(registered)),
      signInLine({ clientId, path, tenantId: server.tenantId }),
    ]
    return { data: { ...settings, commands }, lines: [...lines, ...commands] }
  },
}

/**
 * Whoever shows the owner a code may have asked for it themselves, so what it asks for is shown before it is approved.
 * @throws CliError NotConfirmed without --yes
 */
async function approveDevice(context: CommandContext, socket: string, code: string): Promise<Result> {
  const asked = await askAsOwner<DeviceSignInView>(socket, '/device-sign-in', { user_code: code })
  const name = asked.client_name === undefined ? '' : `${asked.client_name}, `
  const lines = [
    `Client: ${name}${asked.client_id} (any program can use this id)`,
    `Asked from: ${asked.asked_from ?? 'unknown'}`,
    `In your name, with every right of the owner, it gets tokens for: ${asked.audiences.join(', ')}`,
    `The code expires at ${asked.expires_at}.`,
  ]
  for (const line of lines) context.say(line)
  if (context.options['yes'] !== true)
    throw new CliError({
      code: 'NotConfirmed',
      message: 'The sign-in above is not approved yet.',
      remedy: `If you started it yourself, approve it: strongroom env --approve ${code} --yes`,
      exitCode: exitCodes.usage,
    })
  const { client_id, audiences } = asked
  await askAsOwner(socket, '/device', { user_code: code, approve: true, client_id, audiences })
  return { data: { ...asked, decision: 'approved' }, lines: [`approved: client ${client_id}, ${asked.scope}`] }
}

interface ShellSettings {
  settings: Record<string, string>
  /** What the shell evaluates. */
  lines: string[]
  /** az's. */
  directory: string
}

async function withOwnNames(server: ServerRecord, directory: string): Promise<ShellSettings> {
  const trusted = await writeCaBundle({ directory, own: server.caPath, environment: process.env })
  const settings = clientEnvironment(server, directory, trusted)
  return { settings, lines: exportLines(settings), directory }
}

async function withPublicNames(context: CommandContext, server: ServerRecord, beside: string): Promise<ShellSettings> {
  const told = await publicNames(context.paths.state, 'open')
  for (const line of announcement(told)) context.say(line)
  const { port = 0, trusted: own = '' } = told
  const directory = `${beside}-public-names`
  const trusted = await writeCaBundle({ directory, own, environment: process.env })
  const settings = publicNamesEnvironment(server, { port, trusted }, directory)
  return {
    settings,
    lines: [`unset ${notWithPublicNames.join(' ')}`, ...exportLines(settings), promptLine],
    directory,
  }
}
