import type { ErrorDetail } from '@strongroom/contract'
import type { WireError } from '../wire/wire-error.ts'
import { Facts } from './facts.tsx'

/** A refusal: the service's own message first, then expected, found and remedy. */
export function Problem({ error, what }: { error: WireError; what?: string }) {
  return (
    <div class="problem" role="alert">
      {what !== undefined && <p class="problem-what">{what}</p>}
      <Detail detail={error.detail} />
    </div>
  )
}

function Detail({ detail }: { detail: ErrorDetail }) {
  const { expected, found, remedy } = detail.innererror ?? {}
  return (
    <>
      <p>
        <bdi class="message">{detail.message}</bdi>
      </p>
      <Facts
        look="plain"
        facts={[
          ['Expected', expected],
          ['Found', found],
          ['What to do', remedy],
        ]}
      />
      <p class="code">
        <bdi>{detail.code}</bdi>
        {detail.target !== undefined && (
          <>
            {' · '}
            <bdi>{detail.target}</bdi>
          </>
        )}
      </p>
      {(detail.details ?? []).map((each, index) => (
        <div class="problem-part" key={index}>
          <Detail detail={each} />
        </div>
      ))}
    </>
  )
}
