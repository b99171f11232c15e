import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findServer, requireServer } from '../client/connection.ts'
import { askAsOwner } from '../client/https.ts'
import { CliError } from '../core/cli-error.ts'
import type { Command } from '../core/command.ts'

const pollMs = 100

/** After an update of the program: the next server is started from the files that are installed then. */
export const restartCommand: Command = {
  words: ['restart'],
  summary: 'replace the running server by another one, for example after an update; clients wait and notice nothing',
  run: async ({ paths }) => {
    const before = await requireServer(paths.state)
    const keeper = await askAsOwner<{ pid: number }>(join(paths.state, 'run', 'owner.sock'), '/restart', {})
    for (;;) {
      const now = await findServer(paths.state)
      if (now !== undefined && now.pid !== before.pid)
        return { data: { before: before.pid, pid: now.pid }, lines: [`Server ${now.pid} has replaced ${before.pid}.`] }
      if (!existsSync(`/proc/${keeper.pid}`))
        throw new CliError({
          code: 'ServerDied',
          message: 'No server took the place of the one that ended.',
          remedy: `See where \`strongroom up\` ran, and ${paths.state}/server.log.`,
        })
      await sleep(pollMs)
    }
  },
}
