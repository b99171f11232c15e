import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Fuel } from './fuel.ts'
import { jsonLength } from './json-length.ts'

const fuelOf = (most: number, isAbandoned?: () => boolean): Fuel =>
  new Fuel({ most, exhausted: (units) => new Error(`more than ${units}`), isAbandoned })

describe('fuel', () => {
  it('is spent by units, characters and values, and refuses one more', () => {
    const fuel = fuelOf(10)
    fuel.take(8)
    fuel.takeText(8)
    fuel.take()
    expect(() => fuel.takeText(1)).toThrow('more than 10')
    expect(() => fuelOf(100).takeJson(Array.from({ length: 100 }, () => 1))).toThrow('more than 100')
    expect(() => fuelOf(102).takeJson(Array.from({ length: 100 }, () => 1))).not.toThrow()
  })

  it('gives other work a turn once some of it is spent, to one evaluation after the other', async () => {
    const order: string[] = []
    let turn = 0
    let isOver = false
    const count = (): void => {
      turn += 1
      if (!isOver) setImmediate(count)
    }
    setImmediate(count)
    const evaluate = async (name: string): Promise<void> => {
      const fuel = fuelOf(1_000_000)
      expect(fuel.isTurnDue).toBe(false)
      fuel.take(50_000)
      expect(fuel.isTurnDue).toBe(true)
      await fuel.turn()
      order.push(`${name} ${turn}`)
      expect(fuel.isTurnDue).toBe(false)
    }
    await Promise.all([evaluate('a'), evaluate('b'), evaluate('c')])
    isOver = true
    // Each in a turn of its own.
    expect(new Set(order.map((each) => each.split(' ')[1])).size).toBe(3)
    expect(order.map((each) => each[0]).join('')).toBe('abc')
  })

  it('ends at its next turn when nobody waits for the result', async () => {
    let isGone = false
    const fuel = fuelOf(1_000_000, () => isGone)
    await fuel.turn()
    isGone = true
    await expect(fuel.turn()).rejects.toMatchObject({ code: 'ClientClosedRequest' })
  })
})

describe('the length of a value as JSON', () => {
  it('is about that of its text, and never far below', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        // An escaped character takes up to six.
        expect(6 * jsonLength(value)).toBeGreaterThanOrEqual(JSON.stringify(value).length)
      }),
    )
  })

  it('is counted no further than it matters', () => {
    let read = 0
    const value = Array.from({ length: 1_000 }, () => ({
      get a() {
        read += 1
        return 'x'.repeat(100)
      },
    }))
    expect(jsonLength(value, 1_000)).toBeGreaterThan(1_000)
    expect(read).toBeLessThan(20)
  })
})
