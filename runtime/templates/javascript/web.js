// Requests over HTTP, with answers in JSON.

import { send as sendRequest } from 'deploy:plugin/http@0.1.0';
import { caught, failure } from './host.js';
import * as utf8 from './utf8.js';

// The answer to a request, whatever its status; `body` goes out as JSON.
export function send(method, url, body, headers = []) {
  const json = body === undefined ? [] : [['content-type', 'application/json']];
  const content = body === undefined ? '' : JSON.stringify(body);
  try {
    return sendRequest({
      method,
      url,
      headers: [...headers, ...json],
      body: utf8.encode(content),
      timeout: undefined,
      signing: undefined,
      options: [],
    });
  } catch (error) {
    throw caught(error);
  }
}

// The answer, if its status is from 200 to 299; else it throws what fits.
export function success(response) {
  const { status } = response;
  if (status >= 200 && status < 300) return response;
  let code = 'rejected';
  if (status === 404) code = 'missing';
  else if ([408, 425, 429].includes(status) || status >= 500) code = 'unavailable';
  throw failure(code, `the other side answered ${status}`);
}

// What `parse` makes of the answer in JSON; throws what fits where it makes nothing of it.
export function read(parse, response) {
  if (response.truncated) {
    throw failure('rejected', 'the answer is longer than the host lets through');
  }
  try {
    return parse(JSON.parse(utf8.decode(response.body)));
  } catch (error) {
    throw failure('rejected', `not the answer that was expected: ${error.message}`);
  }
}
