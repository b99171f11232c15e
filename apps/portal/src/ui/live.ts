import { useEffect, useRef, useState } from 'preact/hooks'
import { connection } from '../wire/connection.ts'
import { toWireError, type WireError } from '../wire/wire-error.ts'

export interface Live<Value> {
  value: Value | undefined
  /** Of the last attempt, if it failed; the value is then older. */
  error: WireError | undefined
  /** When the value was read, milliseconds. */
  at: number | undefined
  /** Reads immediately. */
  refresh: () => void
}

const longest = 15_000

/**
 * Polls something while it is shown: at the interval that `every` returns for the last value, with backoff while it
 * fails. A background page reads nothing, and reads at once when it comes to the front.
 * @param key what is read: another key starts over
 */
export function useLive<Value>(
  key: string,
  read: (signal: AbortSignal) => Promise<Value>,
  every: (value: Value) => number = () => 10_000,
): Live<Value> {
  const [shown, setShown] = useState<{ key: string; value?: Value; error?: WireError; at?: number }>({ key })
  const again = useRef(() => {})
  const latest = useRef({ read, every })
  latest.current = { read, every }
  useEffect(() => {
    const aborter = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    let failures = 0
    let reading = false
    const plan = (ms: number): void => {
      clearTimeout(timer)
      timer = setTimeout(() => void look(), ms)
    }
    const look = async (): Promise<void> => {
      if (reading || aborter.signal.aborted) return
      if (document.hidden) return
      reading = true
      try {
        const value = await latest.current.read(aborter.signal)
        if (aborter.signal.aborted) return
        failures = 0
        setShown({ key, value, at: Date.now() })
        plan(latest.current.every(value))
      } catch (thrown) {
        if (aborter.signal.aborted) return
        failures += 1
        const error = toWireError(thrown)
        setShown((last) => ({ ...(last.key === key ? last : {}), key, error }))
        plan(Math.min(longest, 500 * 2 ** failures))
      } finally {
        reading = false
      }
    }
    const wake = (): void => {
      if (!document.hidden) void look()
    }
    again.current = () => void look()
    void look()
    document.addEventListener('visibilitychange', wake)
    // What waited for the server continues as soon as it is back.
    const forget = connection.subscribe(({ state }) => {
      if (state === 'up' && failures > 0) plan(0)
    })
    return () => {
      aborter.abort()
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', wake)
      forget()
    }
  }, [key])
  const own = shown.key === key ? shown : { key }
  return {
    value: own.value,
    error: own.error,
    at: own.at,
    refresh: () => again.current(),
  }
}
