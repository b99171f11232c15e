import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { alone, partsOf } from './support/compatibility.ts'
import {
  commandOf,
  compatibilityPath,
  lockedOf,
  readRecords,
  withRun,
  withWorksWith,
  type RunRecord,
} from './support/works-with.ts'

const root = resolve(import.meta.dirname, '../..')

describe('the table of clients in docs/reference/compatibility.md', () => {
  it('is what the records of the clients’ tests say, one for each part of the page', async () => {
    await alone(async () => {
      const records = readRecords()
      const page = readFileSync(compatibilityPath, 'utf8')
      expect(page).toBe(withWorksWith(page, records))
      const parts = await partsOf()
      expect(Object.keys(records).toSorted()).toEqual(Object.keys(parts).toSorted())
    })
  })

  it('names tests that there are, and SDKs in the versions that are installed', () => {
    for (const [client, { clients }] of Object.entries(readRecords())) {
      const file = commandOf(client).split(' ').at(-1)!
      expect(existsSync(resolve(root, file)), file).toBe(true)
      expect(clients).toMatchObject(Object.fromEntries(lockedOf(client)))
    }
  })

  it('keeps a run’s day until its versions or answers are others', () => {
    const run: Omit<RunRecord, 'on'> = { title: 't', clients: { 'azure-cli': '1' }, part: 'a' }
    const before = { x: { ...run, on: '2026-01-01' } }
    expect(withRun(before, 'x', run)).toEqual(before)
    const today = new Date().toISOString().slice(0, 10)
    expect(withRun(before, 'x', { ...run, part: 'b' }).x!.on).toBe(today)
    expect(withRun(before, 'x', { ...run, clients: { 'azure-cli': '2' } }).x!.on).toBe(today)
  })
})
