import type { RotationAction, RotationPolicy } from '@strongroom/contract'
import { badParameter, shown } from '../core/errors.ts'
import { objectOf } from '../objects/attributes.ts'
import { leastDays, parseDuration, shifted, type Duration } from './duration.ts'
import type { KeyVersion } from './key-version.ts'

/** Azure's limits, in days. */
const least = { expiry: 28, trigger: 7 }

/** Policy of a key without one. */
export const defaultRotationPolicy: RotationPolicy = {
  lifetimeActions: [{ trigger: { timeBeforeExpiry: 'P30D' }, action: { type: 'Notify' } }],
  attributes: {},
}

/** @throws ServiceError 400 BadParameter with the place */
export function parseRotationPolicy(body: unknown): RotationPolicy {
  const o = objectOf(body, 'body')
  const attributes = objectOf(o.attributes ?? {}, 'attributes')
  const expiryTime = attributes.expiryTime ?? undefined
  const expiry = expiryTime === undefined ? undefined : durationAt(expiryTime, 'attributes.expiryTime', least.expiry)
  const list = o.lifetimeActions ?? []
  if (!Array.isArray(list) || list.length > 2) {
    throw invalid('lifetimeActions', 'a list of at most one Rotate and one Notify', shown(list))
  }
  const lifetimeActions = list.map((entry, index) => actionAt(entry, `lifetimeActions[${index}]`, expiry))
  if (new Set(lifetimeActions.map(({ action }) => action.type)).size !== lifetimeActions.length) {
    throw invalid('lifetimeActions', 'at most one Rotate and one Notify', 'the same action twice')
  }
  return { lifetimeActions, attributes: { ...(expiryTime !== undefined && { expiryTime: expiryTime as string }) } }
}

/** When the policy creates the next version, seconds since 1970; undefined if it does not. */
export function nextRotation(policy: RotationPolicy, key: Pick<KeyVersion, 'created' | 'exp'>): number | undefined {
  const rotate = policy.lifetimeActions.find(({ action }) => action.type === 'Rotate')
  if (!rotate) return undefined
  const { timeAfterCreate, timeBeforeExpiry } = rotate.trigger
  if (timeAfterCreate !== undefined) return shifted(key.created, known(timeAfterCreate))
  if (timeBeforeExpiry === undefined || key.exp === undefined) return undefined
  return shifted(key.exp, known(timeBeforeExpiry), -1)
}

/** Expiry of a version created at `now`. */
export function expiryOf(policy: RotationPolicy, now: number): number | undefined {
  const { expiryTime } = policy.attributes
  return expiryTime === undefined ? undefined : shifted(now, known(expiryTime))
}

function actionAt(value: unknown, place: string, expiry: Duration | undefined): RotationAction {
  const o = objectOf(value, place)
  const { type } = objectOf(o.action, `${place}.action`)
  const name = (['Rotate', 'Notify'] as const).find(
    (known) => typeof type === 'string' && known.toLowerCase() === type.toLowerCase(),
  )
  if (name === undefined) throw invalid(`${place}.action.type`, 'Rotate or Notify', shown(type))
  const trigger = objectOf(o.trigger, `${place}.trigger`)
  const given = (['timeAfterCreate', 'timeBeforeExpiry'] as const).filter(
    (key) => trigger[key] !== undefined && trigger[key] !== null,
  )
  const [only] = given
  if (only === undefined || given.length > 1) {
    throw invalid(`${place}.trigger`, 'one of timeAfterCreate and timeBeforeExpiry', given.join(' and ') || 'neither')
  }
  const time = durationAt(trigger[only], `${place}.trigger.${only}`, least.trigger)
  if (name === 'Notify' && only === 'timeAfterCreate') {
    throw invalid(`${place}.trigger`, 'timeBeforeExpiry for Notify', 'timeAfterCreate')
  }
  if (name === 'Rotate' && only === 'timeBeforeExpiry') {
    if (expiry === undefined) throw invalid('attributes.expiryTime', 'a duration, for timeBeforeExpiry', 'none')
    if (leastDays(time) >= leastDays(expiry)) {
      throw invalid(`${place}.trigger.${only}`, 'shorter than attributes.expiryTime', shown(trigger[only]))
    }
  }
  return { trigger: { [only]: trigger[only] as string }, action: { type: name } }
}

function durationAt(value: unknown, place: string, days: number): Duration {
  const duration = typeof value === 'string' ? parseDuration(value) : undefined
  if (duration && leastDays(duration) >= days) return duration
  throw invalid(place, `an ISO 8601 duration of at least ${days} days, for example P90D`, shown(value))
}

function known(text: string): Duration {
  const duration = parseDuration(text)
  if (!duration) throw new TypeError(`not a duration: ${text}`)
  return duration
}

function invalid(target: string, expected: string, found: string): ReturnType<typeof badParameter> {
  return badParameter(`The rotation policy is invalid at ${target}.`, { target, expected, found })
}
