import type { AddedHost, HostView, ShownHost } from '@strongroom/contract'
import { ArmClient } from '../../client/arm.ts'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../../core/command.ts'
import { drain } from './drain.ts'
import {
  hostPathOf as pathOf,
  hostsVersion as version,
  shownHost as shown,
  hostColumns as columns,
  hostRow as row,
} from './host-view.ts'

const nameOf = (context: CommandContext): string => context.args[0] ?? ''

function wholeNumber(context: CommandContext, name: string): number {
  const text = textOption(context, name)
  const value = Number(text)
  if (text !== undefined && Number.isInteger(value) && value > 0) return value
  throw new CliError({
    code: 'InvalidArgument',
    message: `A host needs its ${name}.`,
    target: `--${name}`,
    expected: 'a whole number from 1',
    found: text ?? 'none',
    exitCode: exitCodes.usage,
  })
}

function labelsOf(text: string | undefined): Record<string, string> {
  const pairs = (text ?? '').split(',').filter((pair) => pair !== '')
  return Object.fromEntries(pairs.map((pair) => [pair.split('=', 1)[0] ?? '', pair.split('=').slice(1).join('=')]))
}

const add: Command = {
  words: ['host', 'add'],
  args: ['<name>'],
  summary: 'let another machine join as a host: prints the command to run there, once, valid for an hour',
  options: [
    { flags: '--cores <number>', summary: 'virtual cores it offers' },
    { flags: '--memory <GiB>', summary: 'memory it offers' },
    { flags: '--region <region>', summary: 'by default the installation’s own' },
    { flags: '--zone <zone>', summary: '1, 2 or 3; none by default' },
    { flags: '--silicon <kinds>', summary: 'snp, tdx or snp,tdx (the default)' },
    { flags: '--labels <labels>', summary: 'NAME=VALUE, comma-separated' },
  ],
  examples: ['strongroom host add rack-1 --cores 64 --memory 256 --zone 1'],
  run: async (context) => {
    const arm = new ArmClient(await context.connect())
    const [zone, silicon] = [textOption(context, 'zone'), textOption(context, 'silicon')]
    const body = {
      location: textOption(context, 'region') ?? arm.region,
      ...(zone !== undefined && { zone }),
      ...(silicon !== undefined && { tees: silicon.toUpperCase().split(',') }),
      labels: labelsOf(textOption(context, 'labels')),
      capacity: { vCPUs: wholeNumber(context, 'cores'), memoryMiB: wholeNumber(context, 'memory') * 1024 },
    }
    const added = (await arm.send('PUT', pathOf(arm, nameOf(context)), version, body)).json as AddedHost
    const line = `strongroom host join ${added.address} <<< ${added.joinCode}`
    return { data: added, lines: [`Run this on ${added.name}, before ${added.joinUntil}:`, '', line] }
  },
}

const list: Command = {
  words: ['host', 'list'],
  summary: 'list the hosts of the fleet',
  watchable: true,
  run: async (context) => {
    const arm = new ArmClient(await context.connect())
    const path = `${arm.subscription}/providers/Strongroom.Fleet/hosts`
    const { value } = await arm.get<{ value: HostView[] }>(path, version)
    return { data: value, table: { columns, rows: value.map(row) } }
  },
}

const show: Command = {
  words: ['host', 'show'],
  args: ['<name>'],
  names: 'host',
  summary: 'show how a host is, and what it carries',
  watchable: true,
  run: async (context) => {
    const arm = new ArmClient(await context.connect())
    return shown(await arm.get<ShownHost>(pathOf(arm, nameOf(context)), version))
  },
}

const resume: Command = {
  words: ['host', 'resume'],
  args: ['<name>'],
  names: 'host',
  summary: 'place VMs on a drained host again',
  run: async (context) => {
    const arm = new ArmClient(await context.connect())
    return shown((await arm.send('POST', `${pathOf(arm, nameOf(context))}/resume`, version)).json as ShownHost)
  },
}

const remove: Command = {
  words: ['host', 'remove'],
  args: ['<name>'],
  names: 'host',
  summary: 'remove a host from the fleet and revoke its key',
  options: [{ flags: '-y, --yes', summary: 'do not ask for confirmation' }],
  run: async (context) => {
    const name = nameOf(context)
    if (context.options['yes'] !== true)
      throw new CliError({
        code: 'NotConfirmed',
        message: `This removes the host ${name} from the fleet.`,
        remedy: 'Add --yes.',
        exitCode: exitCodes.usage,
      })
    const arm = new ArmClient(await context.connect())
    await arm.send('DELETE', pathOf(arm, name), version)
    return { data: { removed: name }, lines: [`${name} is no longer a host.`] }
  },
}

/** The operator's side of the fleet; `host join` and `host run` belong to the host (join.ts). */
export const hostCommands: Command[] = [add, list, show, drain, resume, remove]
