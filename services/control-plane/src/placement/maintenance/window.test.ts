import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Fields } from '../../arm/fields.ts'
import { openingOf, readWindow, type MaintenanceWindow } from './window.ts'

const window = (o: Partial<MaintenanceWindow> = {}): MaintenanceWindow => ({
  startDateTime: '2026-12-01 22:00',
  duration: '03:00',
  timeZone: 'UTC',
  recurEvery: 'Day',
  ...o,
})
const opening = (o: Partial<MaintenanceWindow>, at: string): string =>
  openingOf(window(o), new Date(`${at}:00.000Z`))
    .toISOString()
    .slice(0, 16)

describe('a maintenance window', () => {
  // 1 December 2026 is a Tuesday.
  it.each([
    ['has not begun', {}, '2026-11-20T10:00', '2026-12-01T22:00'],
    ['is open', {}, '2026-12-01T23:30', '2026-12-01T23:30'],
    ['is open past midnight', {}, '2026-12-02T00:59', '2026-12-02T00:59'],
    ['has just closed', {}, '2026-12-02T01:00', '2026-12-02T22:00'],
    ['recurs every third day', { recurEvery: '3Days' }, '2026-12-02T10:00', '2026-12-04T22:00'],
    ['recurs weekly, on the day of its start', { recurEvery: 'Week' }, '2026-12-02T10:00', '2026-12-08T22:00'],
    ['recurs on weekends', { recurEvery: 'Week Saturday,Sunday' }, '2026-12-02T10:00', '2026-12-05T22:00'],
    [
      'is open on the second day of a weekend',
      { recurEvery: 'week sunday,saturday' },
      '2026-12-06T23:00',
      '2026-12-06T23:00',
    ],
    ['recurs every second week on Mondays', { recurEvery: '2Weeks Monday' }, '2026-12-02T10:00', '2026-12-14T22:00'],
    ['recurs every five weeks', { recurEvery: '5Weeks' }, '2026-12-02T10:00', '2027-01-05T22:00'],
    ['ends before its next time', { expirationDateTime: '2026-12-02 12:00' }, '2026-12-02T10:00', '2026-12-02T10:00'],
    ['has expired', { expirationDateTime: '2026-12-03 00:00' }, '2026-12-09T10:00', '2026-12-09T10:00'],
  ] as const)('that %s is entered at the earliest time in it', (_case, o, at, expected) => {
    expect(opening(o, at)).toBe(expected)
  })

  it('is never entered early, and lets nobody wait longer than it recurs', () => {
    const recurrence = fc.oneof(
      fc.integer({ min: 1, max: 35 }).map((days) => ({ recurEvery: `${days}Days`, most: days })),
      fc.integer({ min: 1, max: 5 }).map((weeks) => ({ recurEvery: `${weeks}Weeks Monday,Thursday`, most: weeks * 7 })),
    )
    fc.assert(
      fc.property(recurrence, fc.integer({ min: 0, max: 400 * 24 * 60 }), ({ recurEvery, most }, minutes) => {
        const start = Date.parse('2026-12-01T22:00:00.000Z')
        const at = new Date(start + minutes * 60_000)
        const found = openingOf(window({ recurEvery }), at)
        expect(found.getTime()).toBeGreaterThanOrEqual(at.getTime())
        expect(found.getTime() - at.getTime()).toBeLessThanOrEqual(most * 24 * 3600_000)
        // Once it is entered it is open, and nothing waits.
        expect(openingOf(window({ recurEvery }), found)).toEqual(found)
        expect((found.getTime() - start) % (24 * 3600_000)).toBeLessThan(3 * 3600_000)
      }),
    )
  })

  it.each([
    ['startDateTime', { startDateTime: '2026-12-01T22:00' }],
    ['startDateTime', { startDateTime: '2026-13-01 22:00' }],
    ['startDateTime', { startDateTime: '2026-02-30 22:00' }],
    ['expirationDateTime', { expirationDateTime: '2026-12-01 21:00' }],
    ['duration', { duration: '01:59' }],
    ['duration', { duration: '24:00' }],
    ['duration', { duration: '3h' }],
    ['timeZone', { timeZone: 'Pacific Standard Time' }],
    ['recurEvery', { recurEvery: '36Days' }],
    ['recurEvery', { recurEvery: '6Weeks' }],
    ['recurEvery', { recurEvery: '0Days' }],
    ['recurEvery', { recurEvery: 'Week Caturday' }],
    ['recurEvery', { recurEvery: 'Day Monday' }],
    ['recurEvery', { recurEvery: 'Month Third Sunday' }],
    ['recurEvery', { recurEvery: '' }],
  ])('is refused with a wrong %s: %j', (name, o) => {
    const fields = new Fields({ maintenanceWindow: { ...window(), ...o } })
    readWindow(fields)
    expect(fields.problems.map(({ target }) => target)).toEqual([`maintenanceWindow.${name}`])
  })
})
