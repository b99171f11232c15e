import { forwardPrefix } from '@strongroom/contract'
import { heard, lost } from './connection.ts'
import { errorOf, noAnswer } from './wire-error.ts'

export interface Question {
  method?: string
  /** https, as other clients of the service call it. */
  url: string
  token?: string
  /** Sent as JSON; a form is sent unchanged. */
  body?: unknown
  /** Default json; undefined for an empty answer. */
  accept?: 'json' | 'text' | 'bytes'
  /** For a PUT of what must not exist yet: refused with PreconditionFailed if it does, however recently it was created. */
  onlyNew?: boolean
  signal?: AbortSignal
}

export interface Answer<Body> {
  status: number
  headers: Headers
  body: Body
  /** URL after redirects. */
  url: string
}

/** The same service below the portal's own origin, so that a browser needs neither a proxy nor a second origin. */
function ownAddress(url: string): string {
  const { protocol, host, pathname, search } = new URL(url)
  if (protocol !== 'https:') throw new TypeError(`not an address of a service: ${url}`)
  return `${forwardPrefix}${host}${pathname}${search}`
}

/** Calls a service of this installation. @throws WireError if it refuses or does not answer */
export async function ask<Body>(question: Question): Promise<Answer<Body>> {
  const { body, token, method = 'GET', accept = 'json' } = question
  const headers = new Headers({ accept: accept === 'json' ? 'application/json' : '*/*' })
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
  if (question.onlyNew === true) headers.set('if-none-match', '*')
  const isForm = body instanceof URLSearchParams
  if (body !== undefined && !isForm) headers.set('content-type', 'application/json')
  let response: Response
  let bytes: ArrayBuffer
  try {
    response = await fetch(ownAddress(question.url), {
      method,
      headers,
      cache: 'no-store',
      ...(body !== undefined && { body: isForm ? body : JSON.stringify(body) }),
      ...(question.signal !== undefined && { signal: question.signal }),
    })
    bytes = await response.arrayBuffer()
  } catch (error) {
    if (question.signal?.aborted === true) throw error
    lost()
    throw noAnswer()
  }
  heard()
  if (accept === 'bytes' && response.ok)
    return {
      status: response.status,
      headers: response.headers,
      body: new Uint8Array(bytes) as Body,
      url: response.url,
    }
  const text = new TextDecoder().decode(bytes)
  const value = accept === 'text' && response.ok ? text : parsed(text)
  if (!response.ok) throw errorOf(response.status, value, new URL(question.url).host)
  return { status: response.status, headers: response.headers, body: value as Body, url: response.url }
}

function parsed(text: string): unknown {
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
