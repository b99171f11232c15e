import { mkdir, mkdtemp, readFile, readlink, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Connection } from '../../core/connection.ts'
import { changeBody, drawAnswer, guestAnswer, ownerAnswer, watchOwner } from './answers.ts'
import { Choices } from './choices.ts'
import { changeFile, drawFile, listFiles, type FilePlace } from './files.ts'
import type { Mutation, Operation } from './mutation.ts'
import { another, changeRow, drawRow, listTables } from './rows.ts'

const vmId = 'AAAA-1'
const otherId = 'BBBB-2'
let folder: string
let place: FilePlace
const own = (name: string): string => join(place.stateDir, 'machines', vmId, name)

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-explore-'))
  place = { stateDir: join(folder, 's'), original: join(folder, 'o'), scratch: join(folder, 's/drill'), vmId, otherId }
  for (const path of [join(folder, 's/machines', vmId), join(folder, 's/machines', otherId), place.scratch])
    await mkdir(path, { recursive: true })
  await mkdir(join(folder, 'o/machines', vmId), { recursive: true })
  await writeFile(own('state'), 'now now now now')
  await writeFile(join(folder, 'o/machines', vmId, 'state'), 'before')
  await writeFile(join(folder, 's/machines', otherId, 'state'), 'another')
  await writeFile(join(place.scratch, 'mine'), 'of the drill')
  return async () => await rm(folder, { recursive: true, force: true })
})

describe('a file', () => {
  const change = async (operation: Operation, at = 0): Promise<string> => {
    await changeFile(place, { kind: 'files', target: 'machines/VM/state', operation, place: at })
    return await readFile(own('state'), 'utf8')
  }

  it('is any of the installation, but the drill’s own and other VMs’', async () => {
    await writeFile(join(place.stateDir, 'host.db'), 'x')
    expect(await listFiles(place)).toEqual(['host.db', 'machines/VM/state'])
    for (let life = 0; life < 100; life++) {
      const { target, operation, place: at } = drawFile(new Choices(1, life), await listFiles(place))
      expect(['host.db', 'machines/VM/state']).toContain(target)
      expect(at !== undefined).toBe(['flip', 'cut', 'move'].includes(operation))
    }
  })

  it.each([
    ['flip', 0, 'oow now now now'],
    ['cut', 0.2, 'now'],
    ['empty', 0, ''],
    ['double', 0, 'now now now nownow now now now'],
    ['move', 0, ' now nonow noww'],
    ['older', 0, 'before'],
    ['other', 0, 'another'],
    ['link', 0, 'now now now now'],
  ] as const)('%s at %d', async (operation, at, expected) => {
    await writeFile(own('state'), 'now now now now')
    expect(await change(operation, at)).toBe(expected)
    if (operation === 'link') expect(await readlink(own('state'))).toBe(join(place.scratch, 'moved-state'))
  })

  it('is absent, and what has no older or other copy, or an equal one, is not changed', async () => {
    await expect(change('drop')).rejects.toMatchObject({ code: 'ENOENT' })
    await writeFile(own('alone'), 'x')
    for (const operation of ['older', 'other'] as const) {
      const mutation: Mutation = { kind: 'files', target: 'machines/VM/alone', operation }
      await expect(changeFile(place, mutation)).rejects.toThrow('there is no')
    }
    expect(await readFile(own('alone'), 'utf8')).toBe('x')
    for (const path of [place.original, place.stateDir]) await writeFile(join(path, 'same'), 'x')
    const same: Mutation = { kind: 'files', target: 'same', operation: 'older' }
    await expect(changeFile(place, same)).rejects.toThrow('there is no older same')
  })

  it('that is mostly a hole is changed where it has data', async () => {
    const size = 64 * 1024 ** 2
    await writeFile(own('disk'), '')
    await truncate(own('disk'), size)
    const bytes = await readFile(own('disk'))
    bytes[40 * 1024 ** 2] = 8
    await writeFile(own('disk'), bytes)
    await changeFile(place, { kind: 'files', target: 'machines/VM/disk', operation: 'flip', place: 0.125 })
    const changed = await readFile(own('disk'))
    expect(changed[40 * 1024 ** 2]).toBe(9)
    expect((await stat(own('disk'))).size).toBe(size)
  })
})

describe('a row', () => {
  const make = (path: string, rows: readonly [string, string, number][]): void => {
    const database = new DatabaseSync(path)
    database.exec('CREATE TABLE IF NOT EXISTS vm (id TEXT PRIMARY KEY, record TEXT, counter INTEGER)')
    for (const row of rows) database.prepare('INSERT INTO vm VALUES (?, ?, ?)').run(...row)
    database.close()
  }
  const rows = (): unknown[][] => {
    const database = new DatabaseSync(join(place.stateDir, 'host.db'))
    const found = database.prepare('SELECT * FROM vm ORDER BY id').all() as Record<string, unknown>[]
    database.close()
    return found.map((row) => Object.values(row))
  }
  const other = [otherId, 'other', 9] as const
  beforeEach(() => {
    make(join(place.stateDir, 'host.db'), [[vmId, 'now', 5], [...other]])
    make(join(place.original, 'host.db'), [[vmId, 'before', 4]])
  })

  it('is any of any table that has one', async () => {
    const tables = await listTables(place.stateDir)
    expect(tables).toEqual([{ name: 'host.db vm', columns: ['id', 'record', 'counter'] }])
    const drawn = Array.from({ length: 100 }, (_, life) => drawRow(new Choices(1, life), tables))
    expect(new Set(drawn.map(({ operation }) => operation)).size).toBe(5)
  })

  it.each<[Operation, string | undefined, unknown[][]]>([
    ['exchange', 'record', [[vmId, 'n0w', 5], [...other]]],
    ['exchange', 'counter', [[vmId, 'now', 4], [...other]]],
    ['drop', undefined, [[...other]]],
    ['double', undefined, [['AAA0-1', 'now', 5], [vmId, 'now', 5], [...other]]],
    ['older', undefined, [[vmId, 'before', 4], [...other]]],
    ['other', undefined, [[vmId, 'other', 9], [...other]]],
  ])('%s %s, of the VM where it has one', async (operation, value, expected) => {
    await changeRow(place, { kind: 'rows', target: 'host.db vm', operation, ...(value !== undefined && { value }) })
    expect(rows()).toEqual(expected)
  })

  it('has another value of the same type', () => {
    expect([another(0), another(7), another(7n), another('0'), another('')]).toEqual([1, 6, 6n, '1', 'x'])
    expect(another(Uint8Array.of(1, 2, 3))).toEqual(Uint8Array.of(1, 3, 3))
  })
})

describe('an answer', () => {
  const change = (body: string, operation: Operation, at = 0, value = 'v'): string =>
    changeBody(Buffer.from(body), { operation, place: at, value }, Buffer.from('older')).toString()

  it.each<[Operation, number, string, string]>([
    ['exchange', 0, '{"a":1,"b":{"c":"x"}}', '{"a":0,"b":{"c":"x"}}'],
    ['exchange', 0.9, '{"a":1,"b":{"c":"x"}}', '{"a":1,"b":{"c":"v"}}'],
    ['exchange', 0, '{"a":true}', '{"a":false}'],
    ['exchange', 0, `{"a":"${'x'.repeat(40)}"}`, `{"a":"${'x'.repeat(20)}A${'x'.repeat(19)}"}`],
    ['drop', 0, '{"a":1,"b":2}', '{"b":2}'],
    ['drop', 0.6, '{"a":[1,2]}', '{"a":[2]}'],
    ['double', 0, '{"a":1}', '{"a":1,"a":0}'],
    ['double', 0.6, '{"a":[1,2]}', '{"a":[1,2,1]}'],
    ['move', 0, '{"a":1,"b":2}', '{"a":2,"b":1}'],
    ['empty', 0, '{"a":1}', ''],
    ['older', 0, '{"a":1}', 'older'],
    ['exchange', 0, 'name QQ==\nb QQ==\n', 'name dg==\nb QQ==\n'],
    ['drop', 0, 'name QQ==\nb QQ==\n', 'b QQ==\n'],
    ['double', 0.4, 'name QQ==\nb QQ==\n', 'name QQ==\nb QQ==\nb QQ==\n'],
    ['move', 0, 'a\nb', 'b\na'],
  ])('%s at %d: %j', (operation, at, body, expected) => {
    expect(change(body, operation, at)).toBe(expected)
  })

  it('is called the same at every boot', () => {
    expect(guestAnswer('GET', '/metadata/challenges/5?api-version=1')).toBe('guest GET /metadata/challenges/N')
    expect(ownerAnswer('POST', 'https://a/subscriptions/11111111-2222-4333-8444-555555555555/b')).toBe(
      'owner POST /subscriptions/ID/b',
    )
    const { target, operation } = drawAnswer(new Choices(1, 1), [{ name: 'guest GET /a', body: Buffer.alloc(0) }])
    expect([target, operation.length > 0]).toEqual(['guest GET /a', true])
  })

  it('is changed on its way to the owner, and that alone', async () => {
    const answer = (text: string): object => ({
      status: 200,
      headers: {},
      text,
      bytes: Buffer.from(text),
      json: JSON.parse(text) as unknown,
    })
    const connection = {
      https: { request: () => Promise.resolve(answer('{"a":1}')), close: () => {} },
    } as unknown as Connection
    const between = watchOwner(connection, (name, body) => (name === 'owner GET /x' ? Buffer.from('{"a":2}') : body))
    const ask = async (path: string): Promise<unknown> =>
      (await between.https.request({ method: 'GET', url: `https://h${path}` })).json
    expect([await ask('/x'), await ask('/y')]).toEqual([{ a: 2 }, { a: 1 }])
  })
})
