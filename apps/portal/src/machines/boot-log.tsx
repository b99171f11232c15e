import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { arm, versions } from '../wire/arm.ts'
import { ask } from '../wire/ask.ts'
import { isMoving, type Machine } from '../resources/machine.ts'

/** The last part: a boot writes some thousand lines. */
const shownLength = 200_000

/** An address is requested once in its lifetime, because each request is in the activity log. */
const addresses = new Map<string, { url: string; until: number }>()
const minutes = 60

async function addressOf(id: string, signal: AbortSignal): Promise<string> {
  const known = addresses.get(id)
  if (known !== undefined && known.until > Date.now()) return known.url
  const path = `${id}/retrieveBootDiagnosticsData?sasUriExpirationTimeInMinutes=${minutes}`
  const { body } = await arm<{ serialConsoleLogBlobUri: string }>({
    method: 'POST',
    path,
    version: versions.compute,
    signal,
  })
  addresses.set(id, { url: body.serialConsoleLogBlobUri, until: Date.now() + (minutes - 1) * 60_000 })
  return body.serialConsoleLogBlobUri
}

const escape = '\u001B'

/** A console's text without colours and terminal control sequences (ECMA-48, CSI), which a page does not render. */
export function plainText(log: string): string {
  const [first = '', ...rest] = log.replaceAll('\r', '').split(escape)
  return first + rest.map((part) => part.replace(/^\[[0-?]{0,32}[ -/]{0,4}[@-~]/, '')).join('')
}

async function readLog(id: string, signal: AbortSignal): Promise<string> {
  try {
    const log = await ask<string>({ url: await addressOf(id, signal), accept: 'text', signal })
    return plainText(log.body.slice(-shownLength))
  } catch (error) {
    // Addresses expire with the server that created them.
    addresses.delete(id)
    throw error
  }
}

/** The guest's console output, read-only: nobody types into a confidential VM (rule S25). */
export function BootLog({ machine }: { machine: Machine }) {
  const moving = isMoving(machine)
  const live = useLive(
    `log ${machine.id} ${moving}`,
    async (signal) => await readLog(machine.id, signal),
    () => (moving ? 1_500 : 15_000),
  )
  return (
    <section class="stack">
      <h2>Boot log</h2>
      {live.error !== undefined && live.value === undefined && <Problem error={live.error} />}
      {live.value === '' && <p class="quiet">It has written nothing.</p>}
      {live.value !== undefined && live.value !== '' && (
        <pre class="log" tabIndex={0} aria-label="Boot log" dir="ltr">
          {live.value}
        </pre>
      )}
    </section>
  )
}
