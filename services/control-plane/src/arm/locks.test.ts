import type { ServiceError } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openRights, type RightsPlane } from '../testing/rights-plane.ts'
import type { Method } from './request.ts'

const group = '/subscriptions/s/resourceGroups/Rg'
const vm = `${group}/providers/Microsoft.Compute/virtualMachines/vm`
let rights: RightsPlane
beforeEach(async () => void (rights = await openRights(() => [])))
afterEach(async () => await rights.close())

const put = async (scope: string, level: 'CanNotDelete' | 'ReadOnly', name = 'L1', notes = 'why') =>
  await rights.locks.put({ scope, name, level, notes })
/** The lock found; `free` if none. */
const held = async (
  method: Method,
  path: string,
  action = 'Microsoft.Compute/virtualMachines/write',
): Promise<unknown> =>
  await rights.locks.require({ method, action, path }).then(
    () => 'free',
    (error: ServiceError) => [error.status, error.code, error.found],
  )

describe('locks', () => {
  it('are kept as written, found in any case, and changed by the same name', async () => {
    const made = await put(`${group}/`, 'CanNotDelete')
    expect(made).toMatchObject({
      created: true,
      lock: {
        scope: group.toLowerCase(),
        name: 'l1',
        display_scope: `${group}/`,
        display_name: 'L1',
        level: 'CanNotDelete',
        notes: 'why',
      },
    })
    expect(await rights.locks.find(group.toUpperCase(), 'l1')).toEqual(made.lock)
    expect([await rights.locks.find(group, 'l2'), await rights.locks.find(vm, 'l1')]).toEqual([undefined, undefined])
    const changed = await put(group.toUpperCase(), 'ReadOnly', 'l1', 'other')
    expect(changed).toEqual({ created: false, lock: { ...made.lock, level: 'ReadOnly', notes: 'other' } })
    expect(await rights.locks.list()).toEqual([changed.lock])
    await put(vm, 'ReadOnly', 'A')
    expect((await rights.locks.list()).map(({ name }) => name)).toEqual(['a', 'l1'])
    for (const [scope, name] of [
      [vm, 'l1'],
      [group, 'a'],
    ] as const)
      await rights.locks.remove(scope, name)
    expect(await rights.locks.list()).toHaveLength(2)
    await rights.locks.remove(group.toUpperCase(), 'L1')
    expect((await rights.locks.list()).map(({ name }) => name)).toEqual(['a'])
  })

  it('of deletion hold deletions at their scope, below and above it', async () => {
    await put(vm, 'CanNotDelete')
    const found = [409, 'ScopeLocked', 'L1 (CanNotDelete)']
    for (const path of [vm, vm.toUpperCase(), `${vm}/extensions/e`, group, '/subscriptions/s'])
      expect([path, await held('DELETE', path)]).toEqual([path, found])
    for (const path of [`${vm}2`, `${group}2`, '/subscriptions/s2'])
      expect([path, await held('DELETE', path)]).toEqual([path, 'free'])
    for (const method of ['PUT', 'PATCH', 'POST'] as const)
      expect([method, await held(method, vm)]).toEqual([method, 'free'])
  })

  it('of writing hold every change at their scope and below, and of deletions those above', async () => {
    await put(vm, 'ReadOnly')
    const found = [409, 'ScopeLocked', 'L1 (ReadOnly)']
    for (const method of ['PUT', 'PATCH', 'POST', 'DELETE'] as const)
      expect([method, await held(method, vm)]).toEqual([method, found])
    expect([await held('PUT', `${vm}/extensions/e`), await held('DELETE', group)]).toEqual([found, found])
    expect([await held('PUT', group), await held('POST', `${vm}2`)]).toEqual(['free', 'free'])
  })

  it('stand in the way of all but what is about rights and locks themselves', async () => {
    await put(group, 'ReadOnly')
    expect(await held('DELETE', vm, 'MICROSOFT.Authorization/locks/delete')).toBe('free')
    expect(await held('DELETE', vm, 'Microsoft.AuthorizationX/locks/delete')).not.toBe('free')
    expect(await held('PUT', vm, 'x/Microsoft.Authorization/y')).not.toBe('free')
  })

  it('are all named, with what is kept from happening', async () => {
    await put(group, 'ReadOnly', 'one')
    await put(vm, 'CanNotDelete', 'two')
    const messageOf = async (method: Method): Promise<string> =>
      (await rights.locks
        .require({ method, action: 'a/write', path: vm })
        .catch((error: Error) => error.message)) as string
    expect(await messageOf('DELETE')).toContain(
      `cannot perform delete operation because following scope(s) are locked: '${group}, ${vm}'`,
    )
    expect(await messageOf('PUT')).toContain(
      `cannot perform write operation because following scope(s) are locked: '${group}'`,
    )
    expect(await held('DELETE', vm)).toEqual([409, 'ScopeLocked', 'one (ReadOnly), two (CanNotDelete)'])
  })
})
