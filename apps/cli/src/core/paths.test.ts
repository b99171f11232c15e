import { describe, expect, it } from 'vitest'
import { findPaths } from './paths.ts'

describe('folders', () => {
  it('follow the XDG base directories', () => {
    expect(findPaths({ HOME: '/home/a', XDG_STATE_HOME: '/s', XDG_CACHE_HOME: '/c', XDG_CONFIG_HOME: '/f' })).toEqual({
      state: '/s/strongroom',
      cache: '/c/strongroom',
      config: '/f/strongroom',
    })
  })

  it('fall back to the home folder, also where an XDG variable is relative, as the specification asks', () => {
    expect(findPaths({ HOME: '/home/a', XDG_STATE_HOME: 'relative' })).toEqual({
      state: '/home/a/.local/state/strongroom',
      cache: '/home/a/.cache/strongroom',
      config: '/home/a/.config/strongroom',
    })
  })

  it('let STRONGROOM_STATE_DIR name an installation', () => {
    expect(findPaths({ HOME: '/home/a', STRONGROOM_STATE_DIR: '/srv/two' }).state).toBe('/srv/two')
  })
})
