import { describe, expect, it } from 'vitest'
import { isDay, parseTime } from './time.ts'

describe('a day', () => {
  it.each(['2026-01-31', '2024-02-29', '2000-02-29', '2026-12-31'])('%s exists', (text) => {
    expect([isDay(text), parseTime(text)?.toISOString()]).toEqual([true, `${text}T00:00:00.000Z`])
  })

  it.each([
    '2026-02-29',
    '2026-02-30',
    '1900-02-29',
    '2026-04-31',
    '2026-13-01',
    '2026-00-10',
    '2026-01-00',
    '2026-1-1',
  ])('%s does not, nor any time of it', (text) => {
    expect([isDay(text), parseTime(text), parseTime(`${text}T10:00:00Z`)]).toEqual([false, undefined, undefined])
    expect(parseTime(`${text}T10:00:00+02:00`, { utc: true })).toBeUndefined()
  })
})

describe('a time', () => {
  it.each([
    ['2026-03-20T00:00:00Z', '2026-03-20T00:00:00.000Z'],
    ['2026-03-20T00:00Z', '2026-03-20T00:00:00.000Z'],
    ['2026-03-20T01:30:00.25+02:00', '2026-03-19T23:30:00.250Z'],
  ])('%s is %s', (text, iso) => {
    expect(parseTime(text)?.toISOString()).toBe(iso)
  })

  it('without a zone is UTC where its reader says so, and else none', () => {
    expect(parseTime('2026-03-20T00:00:00', { utc: true })?.toISOString()).toBe('2026-03-20T00:00:00.000Z')
    expect(parseTime('2026-03-20T00:00:00')).toBeUndefined()
  })

  it.each([
    '',
    '2026',
    '2026-03',
    '2026-03-20T25:00:00Z',
    '2026-03-20T10:61:00Z',
    '2026-03-20 10:00Z',
    '0000-01-01',
    'March',
  ])('is not “%s”', (text) => {
    expect(parseTime(text)).toBeUndefined()
  })
})
