import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { storedOnly } from '@strongroom/contract'
import { findServer } from '../client/connection.ts'
import { publicNames, statusLines } from '../client/public-names.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import type { Command } from '../core/command.ts'
import { startCommand } from '../core/own-name.ts'

export const installationCommands: Command[] = [
  {
    words: ['status'],
    summary: 'show whether the server of this state directory is running, and where',
    run: async (context) => {
      const server = await findServer(context.paths.state)
      if (server === undefined) process.exitCode = exitCodes.notRunning
      // A server that cannot answer is of an earlier version, which has no such names.
      const names = server && (await publicNames(context.paths.state, 'show').catch(() => undefined))
      const data = {
        running: server !== undefined,
        stateDir: context.paths.state,
        ...server,
        ...(names?.until !== undefined && { publicNames: names }),
        storedOnly,
      }
      const lines =
        server === undefined
          ? [`not running: ${context.paths.state}`, `  start it with \`${startCommand(context.paths.state)}\``]
          : [
              `running: pid ${server.pid}, ${server.mode} silicon`,
              `  state: ${context.paths.state}`,
              `  TLS: https://127.0.0.1:${server.ports.tls}   health and proxy: http://127.0.0.1:${server.ports.local}`,
              `  subscription ${server.subscriptionId}, tenant ${server.tenantId}, region ${server.region}`,
              ...(server.mapsAzureProviders === true
                ? ['  Azure’s shared attestation providers in release policies stand for this installation’s']
                : []),
              ...(names === undefined ? [] : statusLines(names)),
              `  stored only, without effect: ${Object.keys(storedOnly).join(', ')}`,
            ]
      return { data, lines }
    },
  },
  {
    words: ['reset'],
    summary: 'delete an installation with every VM, key and disk in it',
    options: [{ flags: '-y, --yes', summary: 'do not ask for confirmation' }],
    run: async (context) => {
      const state = context.paths.state
      if ((await findServer(state)) !== undefined) {
        throw new CliError({
          code: 'StillRunning',
          message: `The server of ${state} runs.`,
          remedy: 'Stop it (Ctrl-C where `strongroom up` runs), then reset.',
        })
      }
      const entries = await readdir(state).catch(() => [])
      if (entries.length > 0 && !(await stat(join(state, 'installation.json')).catch(() => undefined))) {
        throw new CliError({
          code: 'NotAnInstallation',
          message: `${state} is not a state directory of Strongroom.`,
          expected: 'a folder with installation.json',
          remedy: 'Set STRONGROOM_STATE_DIR to the right installation.',
        })
      }
      if (context.options['yes'] !== true) {
        throw new CliError({
          code: 'NotConfirmed',
          message: `This deletes ${state} with every VM, key and disk in it.`,
          remedy: 'Add --yes.',
          exitCode: exitCodes.usage,
        })
      }
      await rm(state, { recursive: true, force: true })
      return { data: { deleted: state }, lines: [`${state} is deleted.`] }
    },
  },
]
