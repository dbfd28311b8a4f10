package tensorboard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// eventSchema are the messages of TensorFlow's event.proto and summary.proto, as far as they are written here.
const eventSchema = `
name: "event.proto" package: "tensorflow" syntax: "proto3"
message_type { name: "Event"
  field { name: "wall_time" number: 1 type: TYPE_DOUBLE label: LABEL_OPTIONAL }
  field { name: "step" number: 2 type: TYPE_INT64 label: LABEL_OPTIONAL }
  field { name: "file_version" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
  field { name: "summary" number: 5 type: TYPE_MESSAGE type_name: ".tensorflow.Summary" label: LABEL_OPTIONAL oneof_index: 0 }
  field { name: "session_log" number: 7 type: TYPE_MESSAGE type_name: ".tensorflow.SessionLog" label: LABEL_OPTIONAL oneof_index: 0 }
  oneof_decl { name: "what" } }
message_type { name: "SessionLog"
  field { name: "status" number: 1 type: TYPE_ENUM type_name: ".tensorflow.SessionLog.SessionStatus" label: LABEL_OPTIONAL }
  enum_type { name: "SessionStatus" value { name: "STATUS_UNSPECIFIED" number: 0 } value { name: "START" number: 1 } } }
message_type { name: "Summary"
  field { name: "value" number: 1 type: TYPE_MESSAGE type_name: ".tensorflow.Summary.Value" label: LABEL_REPEATED }
  nested_type { name: "Image"
    field { name: "height" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL }
    field { name: "width" number: 2 type: TYPE_INT32 label: LABEL_OPTIONAL }
    field { name: "colorspace" number: 3 type: TYPE_INT32 label: LABEL_OPTIONAL }
    field { name: "encoded_image_string" number: 4 type: TYPE_BYTES label: LABEL_OPTIONAL } }
  nested_type { name: "Value"
    field { name: "tag" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "simple_value" number: 2 type: TYPE_FLOAT label: LABEL_OPTIONAL oneof_index: 0 }
    field { name: "image" number: 4 type: TYPE_MESSAGE type_name: ".tensorflow.Summary.Image" label: LABEL_OPTIONAL oneof_index: 0 }
    oneof_decl { name: "value" } } }
`

// eventType is the message Event, for the protocol buffers' own library.
func eventType(t *testing.T) protoreflect.MessageDescriptor {
	t.Helper()
	var schema descriptorpb.FileDescriptorProto
	require.NoError(t, prototext.Unmarshal([]byte(eventSchema), &schema))
	file, err := protodesc.NewFile(&schema, nil)
	require.NoError(t, err)
	return file.Messages().ByName("Event")
}

// slowChecksum is TFRecord's masked CRC-32C, bit by bit.
func slowChecksum(data []byte) uint32 {
	crc := ^uint32(0)
	for _, b := range data {
		crc ^= uint32(b)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ 0x82f63b78
			} else {
				crc >>= 1
			}
		}
	}
	crc = ^crc
	return (crc>>15 | crc<<17) + 0xa282ead8
}

// readEvents reads a file of records as the format's description has it, and each event by the protocol buffers' library; what
// the schema does not know is an error.
func readEvents(t *testing.T, r io.Reader) ([]proto.Message, error) {
	t.Helper()
	event := eventType(t)
	var events []proto.Message
	for {
		var head [12]byte
		if _, err := io.ReadFull(r, head[:]); errors.Is(err, io.EOF) {
			return events, nil
		} else if err != nil {
			return events, err
		}
		if slowChecksum(head[:8]) != binary.LittleEndian.Uint32(head[8:]) {
			return events, fmt.Errorf("record %d: the checksum of its length is wrong", len(events))
		}
		body := make([]byte, binary.LittleEndian.Uint64(head[:])+4)
		if _, err := io.ReadFull(r, body); err != nil {
			return events, err
		}
		data := body[:len(body)-4]
		if slowChecksum(data) != binary.LittleEndian.Uint32(body[len(data):]) {
			return events, fmt.Errorf("record %d: the checksum of its data is wrong", len(events))
		}
		m := dynamicpb.NewMessage(event)
		if err := proto.Unmarshal(data, m); err != nil {
			return events, err
		}
		if err := known(m); err != nil {
			return events, err
		}
		events = append(events, m)
	}
}

// known fails where a message, or one in it, has a field that its type does not declare.
func known(m protoreflect.Message) (err error) {
	if len(m.GetUnknown()) > 0 {
		return fmt.Errorf("%s has fields %x that it does not declare", m.Descriptor().FullName(), m.GetUnknown())
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				err = errors.Join(err, known(v.List().Get(i).Message()))
			}
		default:
			err = known(v.Message())
		}
		return err == nil
	})
	return err
}

// The protocol buffers' own library reads what is written, by TensorFlow's schema.
func TestOtherReader(t *testing.T) {
	dir := t.TempDir()
	w, c, err := Create(dir, 1)
	require.NoError(t, err)
	want := []string{`file_version: "brain.Event:2"`, `step: 1 session_log { status: START }`}
	for step := 1; step <= 300; step++ { // beyond one byte of a number
		loss := float32(step) / 4
		require.NoError(t, w.Scalars(step, map[string]float64{"loss": float64(loss), "lr": -1e-3}))
		want = append(want, fmt.Sprintf(`step: %d summary { value { tag: "loss" simple_value: %v } value { tag: "lr" simple_value: -0.001 } }`, step, loss))
	}
	require.NoError(t, w.Scalars(301, map[string]float64{"nan": math.NaN(), "most": math.MaxFloat32}))
	want = append(want, fmt.Sprintf(`step: 301 summary { value { tag: "most" simple_value: %v } value { tag: "nan" simple_value: nan } }`, float32(math.MaxFloat32)))
	picture := bytes.Repeat([]byte("png"), 200)
	require.NoError(t, w.Picture(302, "look/ü", Image{Width: 1000, Height: 3, Encoded: picture}))
	want = append(want, fmt.Sprintf(`step: 302 summary { value { tag: "look/ü" image { height: 3 width: 1000 colorspace: 3 encoded_image_string: %q } } }`, picture))
	require.NoError(t, c.Close())
	names, err := filepath.Glob(filepath.Join(dir, "*tfevents*"))
	require.NoError(t, err)
	require.Len(t, names, 1)
	data, err := os.ReadFile(names[0])
	require.NoError(t, err)

	events, err := readEvents(t, bytes.NewReader(data))
	require.NoError(t, err)
	require.Len(t, events, len(want))
	before := 0.0
	for i, e := range events {
		m := e.ProtoReflect()
		wall := m.Descriptor().Fields().ByName("wall_time")
		now := m.Get(wall).Float()
		require.GreaterOrEqual(t, now, before)
		require.InDelta(t, float64(time.Now().Unix()), now, 600)
		before = now
		m.Clear(wall)
		expected := dynamicpb.NewMessage(m.Descriptor())
		require.NoError(t, prototext.Unmarshal([]byte(want[i]), expected))
		require.True(t, proto.Equal(expected, e), "event %d: %v, want %v", i, e, expected)
	}

	// The reader is no rubber stamp: no byte of the file can change unseen.
	for at := 0; at < len(data); at += 97 {
		damaged := bytes.Clone(data)
		damaged[at] ^= 4
		_, err := readEvents(t, bytes.NewReader(damaged))
		require.Error(t, err, "byte %d", at)
	}
}
