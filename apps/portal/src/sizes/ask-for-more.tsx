import { useState } from 'preact/hooks'
import { Problem } from '../ui/problem.tsx'
import { arm, subscriptionPath, versions } from '../wire/arm.ts'
import { toWireError, type WireError } from '../wire/wire-error.ts'
import type { Reason } from './reasons.ts'

/** One reason, with its remedy. */
export function Why({ reason, region }: { reason: Reason; region: string }) {
  return (
    <p class="why">
      {reason.text} {reason.ask !== undefined && <AskForMore region={region} {...reason.ask} />}
    </p>
  )
}

/** Files a request with the operator, like Microsoft.Quota. */
export function AskForMore({ region, quota, limit }: { region: string; quota: string; limit: number }) {
  const [said, setSaid] = useState<string | WireError>()
  const ask = async (): Promise<void> => {
    const path = `${await subscriptionPath()}/providers/Microsoft.Compute/locations/${region}/providers/Microsoft.Quota/quotas/${quota}`
    const body = { properties: { limit: { limitObjectType: 'LimitValue', value: limit } } }
    await arm({ method: 'PUT', path, version: versions.quota, body }).then(
      () => setSaid(`Requested ${limit} cores: the operator decides (strongroom quota list).`),
      (error: unknown) => setSaid(toWireError(error)),
    )
  }
  if (typeof said === 'string') return <span role="status">{said}</span>
  return (
    <>
      <button type="button" onClick={() => void ask()}>
        Request {limit}
      </button>
      {said !== undefined && <Problem error={said} />}
    </>
  )
}
