import { describe, expect, it } from 'vitest'
import { ServiceError, toErrorBody } from './errors.ts'

describe('toErrorBody', () => {
  it('answers a refusal with its code, what was expected, what was found and what to do', () => {
    const error = new ServiceError({
      code: 'PropertyChangeNotAllowed',
      message: 'no',
      target: 'a.b',
      expected: 'x',
      found: 'y',
      remedy: 'z',
      details: [{ code: 'InvalidField', message: 'm' }],
    })
    expect(toErrorBody(error)).toMatchObject({
      status: 409,
      body: {
        error: {
          code: 'PropertyChangeNotAllowed',
          message: 'no',
          target: 'a.b',
          details: [{ code: 'InvalidField', message: 'm' }],
          innererror: { expected: 'x', found: 'y', remedy: 'z' },
        },
      },
    })
  })

  it('tells the caller nothing of an unexpected failure but the request id', () => {
    const answer = toErrorBody(new Error('password hunter2 in /srv/secret.db'), 'id-1')
    expect(answer).toEqual({
      status: 500,
      body: { error: { code: 'InternalError', message: 'The server failed on this request. Request id: id-1.' } },
      unexpected: true,
    })
  })

  it('answers a thrown string or nothing at all as an internal error', () => {
    for (const thrown of ['x', undefined, null, 3]) expect(toErrorBody(thrown).status).toBe(500)
  })

  it('says that the disk is full, whichever layer noticed', () => {
    const errors = [
      Object.assign(new Error('write'), { code: 'ENOSPC' }),
      Object.assign(new Error('database or disk is full'), { code: 'ERR_SQLITE_ERROR', errcode: 13 }),
      Object.assign(new Error('could not extend file'), { code: '53100' }),
    ]
    for (const error of errors) {
      expect(toErrorBody(error)).toMatchObject({ status: 507, body: { error: { code: 'StorageFull' } } })
    }
  })
})
