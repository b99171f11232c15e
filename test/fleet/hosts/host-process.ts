/**
 * One test host in a separate process: argv is DIRECTORY OBSTINATE, after `joinFleet` has put its identity there with
 * `join`. Agent, key and certificate are a real host's; what it carries are writing guests.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HostAgent, joinFleet } from '@strongroom/host/agent'
import { createLogger, systemClock, type Clock } from '@strongroom/platform'
import type { HostIdentity } from '../../../services/host/src/agent/membership/host-identity.ts'
import type { HadRelease } from './attested-boot.ts'
import { WritingCarrier } from './writing-carrier.ts'

export type HostQuestion =
  | { ask: 'join'; address: string; code: string }
  /** Milliseconds that its clocks are ahead: added to the time since boot, as after a machine slept. */
  | { ask: 'clock'; wall: number; slept: number }

export type HostMessage = { had: HadRelease } | { answered: true }

const [directory = '', obstinate = ''] = process.argv.slice(2)
const ahead = { wall: 0, slept: 0 }
const clock: Clock = {
  now: () => new Date(Date.now() + ahead.wall),
  elapsed: () => {
    const { era, milliseconds } = systemClock.elapsed!()
    return { era, milliseconds: milliseconds + ahead.slept }
  },
}
const tell = (message: HostMessage): void => void process.send?.(message)

async function run(): Promise<void> {
  const identity = JSON.parse(await readFile(join(directory, 'host.json'), 'utf8')) as HostIdentity
  const carrier = new WritingCarrier({
    identity,
    directory,
    isObstinate: obstinate === 'obstinate',
    onRelease: (had) => tell({ had }),
  })
  const logger = createLogger({ level: 'warn', file: join(directory, 'host.log') })
  const agent = await HostAgent.open({ directory, logger, clock, carrier })
  await agent.run(() => {})
}

process.on('message', (question: HostQuestion) => {
  if (question.ask === 'clock') {
    ahead.wall = question.wall
    ahead.slept += question.slept
  } else
    void joinFleet({ directory, address: question.address, code: question.code }).then(async () => {
      tell({ answered: true })
      await run()
    })
})
process.on('disconnect', () => process.exit())
